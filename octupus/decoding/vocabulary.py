"""What a constraint knows of a model's vocabulary: control token ids, and masks of the tokens that are text.

A mask is a numpy array of uint32 words, one bit a token, the lowest bit first: token t is bit t % 32 of word t // 32.
This is the layout vLLM applies to logits.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import llguidance
import numpy as np
from numpy.typing import NDArray

from octupus.chat.tokenizer import ChatTokenizer

Mask = NDArray[np.uint32]

# States of a UTF-8 reader between tokens: 0 between characters, else (number of continuation bytes due, lowest and
# highest value of the next one), as table 3-7 of the Unicode standard gives them.
Utf8State = tuple[int, int, int]
COMPLETE: Utf8State = (0, 0, 0)
LONGEST_CHARACTER = 4
"""Bytes of the longest character in UTF-8."""


class TokenVocabulary:
    """Shared by all constraints of one model.

    `size` is the width of the model's logits, which may exceed the tokenizer's number of ids; ids beyond it are never
    allowed.
    """

    def __init__(self, tokenizer: ChatTokenizer, size: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.size = max(size or 0, len(tokenizer))
        self.words = (self.size + 31) // 32
        self.end = tokenizer.end_id
        self._continuations: dict[Utf8State, tuple[Mask, dict[int, Utf8State]]] = {}

    @cached_property
    def guidance(self) -> llguidance.LLTokenizer:
        """The tokenizer as llguidance holds it."""
        return llguidance.LLTokenizer(self.tokenizer.to_json(), n_vocab=self.size, eos_token=self.end)

    def mask(self, ids: Iterable[int]) -> Mask:
        """The mask that allows exactly `ids`."""
        row = np.zeros(self.words, dtype=np.uint32)
        allow(row, ids)
        return row

    def text(self, state: Utf8State) -> tuple[Mask, dict[int, Utf8State]]:
        """Tokens that continue valid UTF-8 text in `state`, as a mask.

        With it, the state after each token that does not leave the reader between two characters; a token of the mask
        that is not listed leads to COMPLETE.
        """
        found = self._continuations.get(state)
        if found is None:
            whole, partial = self._text_tokens
            following = {token_id: advance_utf8(state, data) for token_id, data in partial.items()}
            allowed = {token_id: after for token_id, after in following.items() if after is not None}
            row = self.mask(allowed) | (whole if state == COMPLETE else np.uint32(0))
            found = row, {token_id: after for token_id, after in allowed.items() if after != COMPLETE}
            self._continuations[state] = found
        return found

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each id stands for, by id; control tokens and ids without text stand for nothing."""
        control = set(self.tokenizer.control_tokens.values())
        decode = self.guidance.decode_bytes
        return [b"" if token_id in control else decode([token_id]) for token_id in range(len(self.tokenizer))]

    @cached_property
    def byte_ids(self) -> dict[int, int]:
        """Bytes that are a token of their own, with its id."""
        return {data[0]: token_id for token_id, data in enumerate(self.token_bytes) if len(data) == 1}

    @cached_property
    def whole(self) -> Mask:
        """Tokens that are whole characters."""
        return self._text_tokens[0]

    def listed(self, row: Mask) -> list[int]:
        """The ids that a mask allows."""
        return [int(token_id) for token_id in np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))]

    @cached_property
    def plain(self) -> Mask:
        """Whole UTF-8 text that may stand anywhere inside a JSON string: no quote, backslash or control character."""
        whole, _ = self._text_tokens
        breaking = [
            token_id
            for token_id, data in enumerate(self.token_bytes)
            if any(byte < 0x20 or byte in b'"\\' for byte in data)
        ]
        return whole & ~self.mask(breaking)

    @cached_property
    def most_brackets(self) -> int:
        """The largest number of opening brackets in one token."""
        return max((data.count(b"{") + data.count(b"[") for data in self.token_bytes), default=0)

    @cached_property
    def characters(self) -> dict[str, int]:
        """Printable ASCII characters that are a token of their own, with its id."""
        encoded = {character: self.tokenizer.encode(character) for character in map(chr, range(32, 127))}
        return {character: ids[0] for character, ids in encoded.items() if len(ids) == 1}

    @cached_property
    def _text_tokens(self) -> tuple[Mask, dict[int, bytes]]:
        """Tokens that are whole UTF-8 text by themselves, as a mask, and the bytes of those that are not."""
        whole: list[int] = []
        partial: dict[int, bytes] = {}
        for token_id, data in enumerate(self.token_bytes):
            after = advance_utf8(COMPLETE, data)
            if after == COMPLETE and data:
                whole.append(token_id)
            elif data:
                partial[token_id] = data
        return self.mask(whole), partial


def allow(row: Mask, ids: Iterable[int]) -> None:
    """Set the bits of `ids` in a mask."""
    for token_id in ids:
        row[token_id >> 5] |= np.uint32(1 << (token_id & 31))


def allows(row: Mask, token_id: int) -> bool:
    """Whether a mask allows a token."""
    return 0 <= token_id < 32 * len(row) and bool((int(row[token_id >> 5]) >> (token_id & 31)) & 1)


def advance_utf8(state: Utf8State, data: bytes) -> Utf8State | None:
    """The reader's state after `data`, or None when the bytes cannot stand there."""
    due, lowest, highest = state
    if due == 0 and data.isascii():
        return COMPLETE
    for byte in data:
        if due:
            if not lowest <= byte <= highest:
                return None
            due, lowest, highest = due - 1, 0x80, 0xBF
        elif byte >= 0x80:
            started = _start_character(byte)
            if started is None:
                return None
            due, lowest, highest = started
    return (due, lowest, highest) if due else COMPLETE


def _start_character(byte: int) -> Utf8State | None:
    if 0xC2 <= byte <= 0xDF:
        return 1, 0x80, 0xBF
    if 0xE0 <= byte <= 0xEF:
        return 2, 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF
    if 0xF0 <= byte <= 0xF4:
        return 3, 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF
    return None

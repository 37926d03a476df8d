"""Text as tokens: encoded where the tokenizer gives the same bytes back, byte by byte elsewhere."""

from __future__ import annotations

import json
from functools import lru_cache

from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import VocabularyError

_CACHED_TEXTS = 65_536


class Pieces:
    """Encodes the pieces that closing paths are made of.

    Raises VocabularyError when an ASCII character has no token of its own: then a value cannot always be ended.
    """

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        missing = [chr(byte) for byte in range(0x20, 0x7F) if byte not in vocabulary.byte_ids]
        if missing:
            raise VocabularyError(
                f"{vocabulary.tokenizer.origin} has no token for {missing[0]!r} alone; constraints need a byte-level "
                "tokenizer, in which every ASCII character is a token"
            )
        self.vocabulary = vocabulary
        self.ids = lru_cache(maxsize=_CACHED_TEXTS)(self._ids)
        self.suffix_cost = lru_cache(maxsize=_CACHED_TEXTS)(self._suffix_cost)

    def data(self, ids: list[int] | tuple[int, ...]) -> bytes:
        """The bytes that tokens stand for."""
        return b"".join(map(self.vocabulary.token_bytes.__getitem__, ids))

    def from_bytes(self, data: bytes) -> tuple[int, ...]:
        """One token for each byte. Raises VocabularyError for a byte that has none."""
        try:
            return tuple(self.vocabulary.byte_ids[byte] for byte in data)
        except KeyError as error:
            raise VocabularyError(
                f"{self.vocabulary.tokenizer.origin} has no token for the byte {error.args[0]:#x}, which {data!r} needs"
            ) from error

    def suffix(self, text: str, offset: int) -> tuple[int, ...]:
        """Tokens of what follows the first `offset` bytes of `text`, no more than `suffix_cost`."""
        ids = self.ids(text)
        at = 0
        for index, token_id in enumerate(ids):
            if at >= offset:
                return ids[index:]
            at += len(self.vocabulary.token_bytes[token_id])
            if at > offset:
                return self.from_bytes(self.vocabulary.token_bytes[token_id][offset - at :]) + ids[index + 1 :]
        return ()

    def _ids(self, text: str) -> tuple[int, ...]:
        ids = tuple(self.vocabulary.tokenizer.encode(text))
        data = text.encode("utf-8")
        # Tokenizers may normalise text, which a value must not change by.
        return ids if self.data(ids) == data else self.from_bytes(data)

    def _suffix_cost(self, text: str) -> int:
        """The most tokens of any suffix: the rest of a token byte by byte, then the tokens behind it."""
        ids = self.ids(text)
        sizes = [len(self.vocabulary.token_bytes[token_id]) for token_id in ids]
        return max((size - 1 + len(ids) - index - 1 for index, size in enumerate(sizes)), default=0) + 1


def string_text(value: str) -> str:
    """A string as the shortest JSON that every backend admits."""
    # llguidance admits U+007F as an escape alone.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

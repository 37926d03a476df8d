"""The tokenizer as octupus uses it: text never becomes a control token, control tokens are looked up, never spelled.

Reads `tokenizer.json` with the `tokenizers` package alone, so that data workers and the ingress load no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import DecodeStream

from octupus.errors import VocabularyError


class ChatTokenizer:
    """A Hugging Face fast tokenizer with safe text encoding.

    `end_id` is the id of the end-of-sequence token, which ends every assistant turn. Every added token is a control
    token, whether its file calls it special or not: none of them is text that a user or a model may write.
    """

    def __init__(self, tokenizer: Tokenizer, end_token: str, origin: str = "tokenizer") -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        added = tokenizer.get_added_tokens_decoder()
        self.control_tokens = {token.content: int(token_id) for token_id, token in sorted(added.items())}
        """Every added token with its id."""
        self.special_tokens = {
            token: token_id for token, token_id in self.control_tokens.items() if added[token_id].special
        }
        """The added tokens that the file calls special, with their ids."""
        self._text = _made_safe(tokenizer)
        self._tokenizer = tokenizer
        self.origin = origin
        self.end_token = end_token
        self.end_id = self.control_id(end_token)

    @classmethod
    def from_directory(cls, directory: Path | str) -> ChatTokenizer:
        """Load from a model directory. Raises VocabularyError when a file or the end token is missing."""
        directory = Path(directory)
        file = directory / "tokenizer.json"
        if not file.is_file():
            raise VocabularyError(
                f"{directory} has no tokenizer.json; give a Hugging Face model directory that holds a fast tokenizer"
            )
        settings_file = directory / "tokenizer_config.json"
        settings: dict[str, Any] = json.loads(settings_file.read_text("utf-8")) if settings_file.is_file() else {}
        end = settings.get("eos_token")
        if isinstance(end, dict):
            end = end.get("content")
        if not isinstance(end, str):
            raise VocabularyError(f"{settings_file} names no eos_token; add it, since it ends every assistant turn")
        return cls(Tokenizer.from_file(str(file)), end, str(directory))

    def __len__(self) -> int:
        """Number of ids, added tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; spelled control tokens stay text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts at once."""
        # The fast form gives the same ids and no offsets, which nothing here needs.
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens spelled out; bytes that are no UTF-8 become U+FFFD."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def control_id(self, token: str) -> int:
        """The id of a control token. Raises VocabularyError when it is no added token of the tokenizer."""
        found = self.control_tokens.get(token)
        if found is None:
            raise VocabularyError(
                f"{self.origin} has no token {token}; add the control tokens with "
                f"`python jobs/edit_tokenizer.py --base {self.origin} --output DIRECTORY`"
            )
        return found

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole tokenizer, which ties prepared data to the model it was prepared for."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()

    def to_json(self) -> str:
        """The tokenizer as the text of a tokenizer.json, with its tokens as special as its file says."""
        return self._text if self._text is not None else str(self._tokenizer.to_str())

    def text_stream(self) -> TextStream:
        """A decoder for text that arrives id by id."""
        return TextStream(self)


def _made_safe(tokenizer: Tokenizer) -> str | None:
    """Make `tokenizer` encode spelled added tokens as the text they are; returns its own text if that changes it.

    `encode_special_tokens` spares special tokens alone, and Qwen's `<tool_call>` is an added token that is not
    special. Adding such a token again as a special one keeps its id.
    """
    tokenizer.encode_special_tokens = True
    ordinary = [token for _, token in sorted(tokenizer.get_added_tokens_decoder().items()) if not token.special]
    if not ordinary:
        return None
    text = str(tokenizer.to_str())
    tokenizer.add_special_tokens(
        [
            AddedToken(
                token.content,
                single_word=token.single_word,
                lstrip=token.lstrip,
                rstrip=token.rstrip,
                normalized=token.normalized,
                special=True,
            )
            for token in ordinary
        ]
    )
    return text


class TextStream:
    """Decodes ids one at a time; the pieces joined equal the ids decoded together."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=False)
        self._ids: list[int] = []
        self._written = 0

    def push(self, token_id: int) -> str:
        """The text that `token_id` completes; empty while a character is still missing bytes."""
        self._ids.append(token_id)
        piece = self._stream.step(self._tokenizer._tokenizer, token_id)
        if piece is None:
            return ""
        self._written += len(piece)
        return str(piece)

    def finish(self) -> str:
        """The rest: bytes that never became a character, as U+FFFD."""
        return self._tokenizer.decode(self._ids)[self._written :] if self._ids else ""

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

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from octupus.errors import VocabularyError


class ChatTokenizer:
    """A Hugging Face fast tokenizer with safe text encoding.

    `end_id` is the id of the end-of-sequence token, which ends every assistant turn.
    """

    def __init__(self, tokenizer: Tokenizer, end_token: str, origin: str = "tokenizer") -> None:
        # Special tokens spelled in text are encoded as the text they are.
        tokenizer.encode_special_tokens = True
        tokenizer.no_truncation()
        tokenizer.no_padding()
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
        """The id of a special token. Raises VocabularyError when the tokenizer lacks it."""
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise VocabularyError(
                f"{self.origin} has no token {token}; add the control tokens with "
                f"`python jobs/edit_tokenizer.py --base {self.origin} --output DIRECTORY`"
            )
        return int(found)

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """Every special token with its id."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {token.content: int(token_id) for token_id, token in added.items() if token.special}

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole tokenizer, which ties prepared data to the model it was prepared for."""
        return hashlib.sha256(self._tokenizer.to_str().encode("utf-8")).hexdigest()

    def to_json(self) -> str:
        """The tokenizer as the text of a tokenizer.json."""
        return str(self._tokenizer.to_str())

    def text_stream(self) -> TextStream:
        """A decoder for text that arrives id by id."""
        return TextStream(self)


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

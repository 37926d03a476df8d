"""Texts to vectors: any Hugging Face encoder, mean pooling, unit length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from octupus.errors import ConfigError

Vectors = npt.NDArray[np.float32]


class Encoder:
    """A tokenizer and a model, as `AutoTokenizer` and `AutoModel` load them from one directory."""

    def __init__(self, tokenizer: Any, model: nn.Module, max_tokens: int, device: torch.device) -> None:
        self.tokenizer = tokenizer
        self.model = model.to(device)
        self.max_tokens = max_tokens
        self.device = device

    @classmethod
    def open(cls, directory: Path, max_tokens: int = 256, device: torch.device | None = None) -> Self:
        """Load an encoder, in float32. Raises ConfigError when the directory holds none, or one that reads less."""
        from transformers import AutoModel, AutoTokenizer

        if not (directory / "config.json").is_file():
            raise ConfigError(f"{directory} is no Hugging Face directory: it has no config.json")
        try:
            tokenizer = AutoTokenizer.from_pretrained(directory)
            model = AutoModel.from_pretrained(directory, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{directory} holds no encoder that transformers can load: {error}") from error
        longest = getattr(model.config, "max_position_embeddings", None)
        if longest is not None and longest < max_tokens:
            raise ConfigError(f"the encoder in {directory} reads {longest} tokens at most; set max_tokens to {longest}")
        if tokenizer.pad_token is None:
            raise ConfigError(f"the tokenizer in {directory} has no padding token, which batches of texts need")
        return cls(tokenizer, model.eval(), max_tokens, device or torch.device("cpu"))

    def tokenise(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Ids and attention mask, each of shape (texts, longest text), on the encoder's device."""
        batch = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        )
        return {name: batch[name].to(self.device) for name in ("input_ids", "attention_mask")}

    def embed(self, texts: Sequence[str], batch_size: int = 64) -> Vectors:
        """Vectors of length 1, of shape (texts, dimensions). Texts of like length are computed together."""
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        parts: list[torch.Tensor] = []
        self.model.eval()
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                batch = self.tokenise([texts[position] for position in order[start : start + batch_size]])
                parts.append(embed_batch(self.model, batch).float().cpu())
        dimensions = parts[0].shape[1] if parts else 0
        vectors = np.empty((len(texts), dimensions), dtype=np.float32)
        if parts:
            vectors[order] = torch.cat(parts).numpy()
        return vectors

    def save(self, directory: Path) -> None:
        """Write model and tokenizer so that `AutoModel` and `AutoTokenizer` load them."""
        self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)


def embed_batch(model: nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Vectors of length 1, of shape (texts, dimensions): the mean of the last layer over the tokens of a text."""
    hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return nn.functional.normalize(mean, dim=1)

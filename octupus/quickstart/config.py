"""Configuration of the small model's making; see jobs/quickstart/make_small_model.yaml."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from octupus.config import StrictModel


class CorporaConfig(StrictModel):
    """Synthetic corpora, made from a seed."""

    directory: Path
    """Directory to write."""
    seed: int = 0
    """Decides every row."""
    chat: int = Field(ge=1)
    """Conversations without tools, half of them echo tasks."""
    calls: int = Field(ge=1)
    """Conversations with tools."""


class SmallModelConfig(StrictModel):
    """A Qwen2 of random weights with a tokenizer of its own, trained on the corpora's text."""

    corpora: CorporaConfig
    text: tuple[Path, ...] = ()
    """Files the tokenizer is trained on; empty means the synthetic corpora, which are then made."""
    output: Path
    """Model directory to write."""
    vocabulary: int = Field(1600, ge=300)
    """Size of the tokenizer."""
    hidden_size: int = Field(128, ge=16)
    """Width of the model."""
    intermediate_size: int = Field(384, ge=16)
    """Width of its feed-forward layers."""
    layers: int = Field(4, ge=1)
    """Number of layers."""
    heads: int = Field(4, ge=1)
    """Number of attention heads."""
    max_position_embeddings: int = Field(2048, ge=128)
    """Longest sequence in tokens."""
    initializer_range: float = Field(0.02, gt=0)
    """Standard deviation of the random weights."""
    seed: int = 0
    """Decides the weights."""

    @model_validator(mode="after")
    def _check(self) -> SmallModelConfig:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        return self

"""Configuration of merging an adapter into its base; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from octupus.config import StrictModel


class MergeConfig(StrictModel):
    """Make a whole model of an adapter and the model it was trained on."""

    adapter: Path
    """Directory of the adapter: the `export` of a stage with `lora`."""
    output: Path
    """Directory to write."""
    base: Path | None = None
    """The model the adapter was trained on, where it lies now; null is where it lay then."""

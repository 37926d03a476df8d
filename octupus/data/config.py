"""The configuration of data preparation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from octupus.config import StrictModel
from octupus.conversation import Kind

FormatName = Literal["openai_messages", "sharegpt", "alpaca"]


class SourceConfig(StrictModel):
    """One corpus file."""

    name: str = Field(min_length=1)
    """Name of the source in reports and in the mixture."""
    path: Path
    """A .json array, a .jsonl or a .parquet file."""
    format: Literal["auto", FormatName] = "auto"
    """Form of its rows; `auto` looks at the first ones."""
    split: str = "train"
    """Which split of the source the file is; one source may have several."""


class MixtureEntry(StrictModel):
    """How much of one source is trained on."""

    source: str
    """Name of a source."""
    split: str = "train"
    """Split of that source."""
    ratio: float = Field(default=1.0, gt=0)
    """Below 1 a seeded sample, 1 everything once, above 1 whole copies and a sample for the fraction."""
    kinds: tuple[Kind, ...] = ()
    """Only conversations of these kinds, such as chat; empty means all."""


class PrepareConfig(StrictModel):
    """Prepare data: corpora -> checked, deduplicated, tokenised, packed shards."""

    model: Path
    """Model directory whose tokenizer has the dialect's control tokens."""
    output: Path
    """Directory to write; prepared data that it already holds is reused or replaced."""
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    """The corpora, in order; of duplicates the first stays."""
    mixture: tuple[MixtureEntry, ...] = ()
    """What is trained on, and how often; empty means each source once."""
    held_out_rows: int = Field(default=0, ge=0)
    """Conversations of each source kept out of the packs for evaluation, and written to held_out.parquet."""
    token_budget: int = Field(default=4096, gt=0)
    """Tokens in a pack; a longer conversation is dropped as too_long."""
    pack_window: int = Field(default=4096, gt=0)
    """Conversations packed together at a time; larger fills packs better, smaller keeps them more random."""
    packs_per_shard: int = Field(default=1024, gt=0)
    """Packs in one parquet file."""
    seed: int = 42
    """Decides sampling and order; the same seed and input give the same bytes."""
    on_broken_line: Literal["stop", "drop"] = "stop"
    """What a line that is no JSON does: stop the run, or count as dropped."""
    num_cpus: int | None = Field(default=None, gt=0)
    """CPUs of the local Ray instance when no cluster is given; empty means all."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        splits: dict[str, list[str]] = {}
        for source in self.sources:
            known = splits.setdefault(source.name, [])
            if source.split in known:
                raise ValueError(
                    f"sources: {source.name!r} with split {source.split!r} is listed twice; "
                    "give one of them another name or split"
                )
            known.append(source.split)
        named: set[tuple[str, str]] = set()
        for entry in self.mixture:
            if entry.source not in splits:
                raise ValueError(
                    f"mixture names the unknown source {entry.source!r}; known sources: {', '.join(splits)}"
                )
            if entry.split not in splits[entry.source]:
                raise ValueError(
                    f"mixture names split {entry.split!r} of source {entry.source!r}, which has only: "
                    f"{', '.join(splits[entry.source])}"
                )
            if (entry.source, entry.split) in named:
                raise ValueError(
                    f"mixture lists source {entry.source!r} with split {entry.split!r} twice; "
                    "add the two ratios into one entry"
                )
            named.add((entry.source, entry.split))
        for source in self.sources:
            if self.output.absolute() in (source.path.absolute(), *source.path.absolute().parents):
                raise ValueError(
                    f"output {self.output} holds the source file {source.path} and would be replaced; "
                    "choose another output directory"
                )
        if self.output.absolute() in (self.model.absolute(), *self.model.absolute().parents):
            raise ValueError(
                f"output {self.output} holds the model {self.model} and would be replaced; "
                "choose another output directory"
            )
        return self

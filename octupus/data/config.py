"""The configuration of data preparation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from octupus.config import StrictModel
from octupus.conversation import Kind
from octupus.data.augment.config import AugmentConfig
from octupus.data.quality import QualityConfig
from octupus.data.sources.corpora import corpus_named
from octupus.data.sources.registry import FORMATS
from octupus.errors import CorpusError


class SourceConfig(StrictModel):
    """One corpus, or one split of it."""

    name: str = Field(min_length=1)
    """Name of the source in reports and in the mixture."""
    corpus: str = ""
    """A registered corpus, such as toolace, or its repository on the Hugging Face hub; empty for files of your own."""
    path: Path | None = None
    """A .json array, .jsonl or .parquet file, .gz included; a pattern such as data/train-*.parquet; or a directory of
    dialogues. Empty: the registered corpus is downloaded from the hub."""
    format: str = "auto"
    """Form of its rows; `auto` takes the corpus's, or looks at the first rows."""
    split: str = "train"
    """Which split, or config, of the corpus this is; one source may have several."""

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value != "auto" and value not in FORMATS:
            raise ValueError(f"unknown format {value!r}; known formats: auto, {', '.join(FORMATS)}")
        return value

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.path is None and not self.corpus:
            raise ValueError(f"source {self.name!r} has neither a path nor a corpus; give it one of them")
        if self.corpus:
            try:
                corpus = corpus_named(self.corpus)
            except CorpusError as error:
                raise ValueError(str(error)) from error
            if self.path is None and self.split not in corpus.splits:
                splits = ", ".join(corpus.splits)
                remedy = f"its splits are: {splits}" if splits else "it is not on the hub: give the path of a copy"
                raise ValueError(f"corpus {self.corpus} has no split {self.split!r} on the hub; {remedy}")
        return self


class MixtureEntry(StrictModel):
    """How much of one source is trained on."""

    source: str
    """Name of a source."""
    split: str = "train"
    """Split of that source."""
    ratio: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Below 1 a seeded sample, 1 everything once, above 1 whole copies and a sample for the fraction."""
    kinds: tuple[Kind, ...] = ()
    """Only conversations of these kinds, such as chat; empty means all."""


class NearDuplicateConfig(StrictModel):
    """Rows that say nearly the same as an earlier one."""

    drop: bool = True
    """Whether they are dropped."""
    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard index of the texts' 5-word shingles from which two rows are near duplicates."""


class EvaluationSet(StrictModel):
    """Questions that no training row may share."""

    path: Path
    """A file, or a pattern of files, of an evaluation set, such as bfcl_eval/data/BFCL_v4_*.json."""
    format: str = "auto"
    """Form of its rows; `auto` looks at the first ones."""


class PrepareConfig(StrictModel):
    """Prepare data: corpora -> checked, deduplicated, tokenised, packed shards."""

    model: Path
    """Model directory whose tokenizer has the dialect's control tokens."""
    output: Path
    """Directory to write; prepared data that it already holds is reused or replaced."""
    sources: tuple[SourceConfig, ...] = ()
    """The corpora, in order; of duplicates the first stays."""
    mixture: tuple[MixtureEntry, ...] = ()
    """What is trained on, and how often; empty means each source once."""
    mixture_file: Path | None = None
    """Instead of `mixture`: a file of `name:split:ratio` lines. A name that no source has is a registered corpus."""
    count_mixture: bool = False
    """Stop behind the mixture: print rows, tokens and trained tokens of each of its lines, and write nothing."""
    allow_untrainable: bool = False
    """Also take corpora whose entry says they must not be trained on: evaluation sets, non-commercial licences."""
    quality: QualityConfig = QualityConfig()
    """Languages, toxicity, personal data, grounding."""
    near_duplicates: NearDuplicateConfig = NearDuplicateConfig()
    """Rows that say nearly the same."""
    evaluation_sets: tuple[EvaluationSet, ...] = ()
    """Rows that share a question or a tool with these are dropped as contaminated."""
    calls_per_tool: int = Field(default=0, ge=0)
    """A row is dropped when all its tools are called in this many other rows already; 0 means no cap."""
    augment: AugmentConfig = AugmentConfig()
    """Rows made from kept rows; all off by default."""
    held_out_rows: int = Field(default=0, ge=0)
    """Conversations of each source kept out of the packs for evaluation, and written to held_out.parquet."""
    token_budget: int = Field(default=4096, gt=0)
    """Tokens in a pack."""
    long_conversations: Literal["drop", "cut"] = "drop"
    """What a conversation longer than a pack does: it is dropped as too_long, or cut behind an answer that fits."""
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
        if not self.sources and self.mixture_file is None:
            raise ValueError("sources is empty; name at least one corpus, or a mixture_file of registered ones")
        if self.mixture and self.mixture_file is not None:
            raise ValueError("mixture and mixture_file are both given; leave one of them out")
        check_mixture(self.sources, self.mixture)
        for source in self.sources:
            if source.path is not None and _holds(self.output, source.path):
                raise ValueError(
                    f"output {self.output} holds the source file {source.path} and would be replaced; "
                    "choose another output directory"
                )
        if _holds(self.output, self.model):
            raise ValueError(
                f"output {self.output} holds the model {self.model} and would be replaced; "
                "choose another output directory"
            )
        return self


def check_mixture(sources: Sequence[SourceConfig], mixture: Sequence[MixtureEntry]) -> None:
    """Raises ValueError unless sources and mixture name every source and split once, and only known ones."""
    splits: dict[str, list[str]] = {}
    for source in sources:
        known = splits.setdefault(source.name, [])
        if source.split in known:
            raise ValueError(
                f"sources: {source.name!r} with split {source.split!r} is listed twice; "
                "give one of them another name or split"
            )
        known.append(source.split)
    named: set[tuple[str, str]] = set()
    for entry in mixture:
        if entry.source not in splits:
            raise ValueError(f"mixture names the unknown source {entry.source!r}; known sources: {', '.join(splits)}")
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


def _holds(directory: Path, path: Path) -> bool:
    return directory.absolute() in (path.absolute(), *path.absolute().parents)

"""Corpora to packed shards: the only place where data preparation meets Ray.

    blocks of rows -> convert, repair, check, judge, tokenise      one task a block, on any machine
    -> duplicates, near duplicates, caps, mixture, packs           decided here, over a few hundred bytes a row
    -> shards, records                                             one task a file

Between the passes rows lie on disk beside the output, so memory never holds them; `output` must therefore be on storage
that every node of the cluster sees. Decisions depend on the rows and their order alone, so neither the number of CPUs,
nor the size of blocks, nor a task that is run again changes a byte.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray.data
from ray.exceptions import RayTaskError

from octupus.chat.registry import ModelChat, model_chat
from octupus.data import accounting, mixture
from octupus.data.assemble import LastPass, Packs, drops, take_records, write_drops, write_records
from octupus.data.augment.config import AUGMENTATIONS
from octupus.data.augment_pass import augment_pass, count_augmented
from octupus.data.block import BlockTask, BlockWriter, FirstPass, keyword_census
from octupus.data.code import code_sha256
from octupus.data.config import PrepareConfig
from octupus.data.decide import Decisions, MixtureLine, decide, mix
from octupus.data.evaluation_sets import evaluation_files, evaluation_index
from octupus.data.examine import Rules
from octupus.data.index import Index, IndexBuilder
from octupus.data.manifest import (
    AugmentCounts,
    InputFile,
    Manifest,
    MixtureCounts,
    Shard,
    SourceCounts,
    read_manifest,
    verify,
    write_manifest,
)
from octupus.data.minhash import MinHasher
from octupus.data.mixture_file import with_mixture_file
from octupus.data.pack import pack
from octupus.data.report import Examined, write_report
from octupus.data.similarity import similarity_of_rows
from octupus.data.sources.resolve import ResolvedSource, form_of, input_sha256, resolve
from octupus.data.sources.survey import survey, unpacked
from octupus.data.staging import refuse_foreign, staged
from octupus.data.store import Store, mapped_table
from octupus.errors import ManifestError, OctupusError, OutputError
from octupus.ray_session import ray_session
from octupus.telemetry import event, progress, write_run_record

logger = logging.getLogger(__name__)

ROWS_PER_BLOCK = 2000
HELD_OUT_FILE = "held_out.parquet"
DROPS_FILE = "drops.parquet"


def prepare(config: PrepareConfig, rows_per_block: int = ROWS_PER_BLOCK) -> Manifest:
    """Prepare the data that `config` describes, or return the manifest of what is already there.

    Uses the Ray cluster that is initialised or named by RAY_ADDRESS, else a local instance of its own.
    `rows_per_block` decides how work is cut into tasks, never what comes out.
    """
    config = with_mixture_file(config)
    chat = model_chat(config.model)
    refuse_foreign(config.output)
    sources = resolve(config)
    inputs = _inputs(config, sources)
    finished = _finished(config, inputs, chat)
    if finished is not None:
        event(logger, "reused", output=config.output, packs=finished.packs, tokens=finished.tokens)
        return finished
    with staged(config.output) as directory, _connected(config, sources, directory), _ordered_execution():
        preparation = _Preparation(config, sources, directory, rows_per_block)
        manifest = preparation.write(preparation.decide(), chat, inputs)
    event(logger, "prepared", output=config.output, packs=manifest.packs, tokens=manifest.tokens, fill=manifest.fill)
    return manifest


def count_mixture(config: PrepareConfig, rows_per_block: int = ROWS_PER_BLOCK) -> tuple[MixtureCounts, ...]:
    """What each line of the mixture would take, with nothing written to `output`."""
    config = with_mixture_file(config)
    model_chat(config.model)  # a directory without control tokens is told at once
    sources = resolve(config)
    with staged(config.output, keep=False) as directory, _connected(config, sources, directory), _ordered_execution():
        return _counted(_Preparation(config, sources, directory, rows_per_block).decide())


def _connected(
    config: PrepareConfig, sources: Sequence[ResolvedSource], directory: Path
) -> AbstractContextManager[None]:
    """Ray, on nodes that all see the corpora and the place of what is written."""
    corpora = [file for source in sources for file in source.files]
    return ray_session(config.num_cpus, storages=[directory], inputs=[config.model, *corpora])


@dataclass(frozen=True, slots=True)
class _Decided:
    """All that is decided before anything is written."""

    index: Index
    """Rows of the corpora, and behind them those that augmentation added."""
    decisions: Decisions
    """Of the rows of the corpora."""
    held_out: npt.NDArray[np.int64]
    lines: list[MixtureLine]
    sources: dict[str, SourceCounts]
    augmented: dict[str, AugmentCounts]


class _Preparation:
    """One run."""

    def __init__(
        self, config: PrepareConfig, sources: list[ResolvedSource], directory: Path, rows_per_block: int
    ) -> None:
        self.config = config
        self.sources = sources
        self.places = [(source.name, source.split) for source in sources]
        self.directory = directory
        self.rows_per_block = rows_per_block
        self.store = Store(directory / "blocks")
        self.store.directory.mkdir()
        self.writer = BlockWriter(
            store=self.store,
            places=tuple(self.places),
            hasher=MinHasher() if config.near_duplicates.drop else None,
            augment=any(map(config.augment.ratio, AUGMENTATIONS)),
        )
        self.rules = Rules(
            model=str(config.model.absolute()),
            token_budget=config.token_budget,
            cut_long=config.long_conversations == "cut",
            quality=config.quality,
            evaluation=evaluation_index(config.evaluation_sets),
        )

    def decide(self) -> _Decided:
        """Every step up to the mixture; only files of the store are written."""
        config = self.config
        tasks = self._tasks()
        rows_read: Counter[str] = Counter()
        for task in tasks:
            rows_read[self.places[task.place][0]] += task.rows.rows
        builder = IndexBuilder()
        first_pass = FirstPass(tasks, self.rules, self.writer, config.on_broken_line)
        for table in _map("checking", first_pass.run, len(tasks)):
            builder.add(table)
        index = builder.build()
        event(logger, "checked", rows=len(index), kept=int(index.passed.sum()))
        similarity_of = similarity_of_rows(self.store, index, config.near_duplicates.threshold)
        decisions = decide(index, config, similarity_of)
        event(logger, "deduplicated", rows=int(index.passed.sum()), kept=int(decisions.kept.sum()))
        counts = accounting.count_sources(index, decisions, self.places, rows_read)
        accounting.require_kept(counts)
        kept = np.flatnonzero(decisions.kept)
        held_out = kept[mixture.hold_out(index.ids[kept], index.place[kept], config.held_out_rows, config.seed)]
        available = decisions.kept
        available[held_out] = False
        augmented: dict[str, AugmentCounts] = {}
        added = augment_pass(self.store, self.rules, self.writer, config.augment, config.seed, index, available)
        if added is not None:
            read = len(index)
            for table in _map("augmenting", added.run, added.tasks):
                builder.add(table)
            index = builder.build()
            augmented = count_augmented(added.jobs, index.reason[read:])
            available = np.concatenate([available, index.passed[read:]])
        lines = mix(index, available, self.places, config)
        decided = _Decided(index, decisions, held_out, lines, counts, augmented)
        for line in _counted(decided):
            event(logger, "mixed", **line.model_dump())
        return decided

    def write(self, decided: _Decided, chat: ModelChat, inputs: tuple[InputFile, ...]) -> Manifest:
        """Pack what is decided and write all files; the manifest last."""
        config, index, decisions = self.config, decided.index, decided.decisions
        kept = np.flatnonzero(np.concatenate([decisions.kept, index.passed[len(decisions.kept) :]]))
        rows = np.concatenate([line.rows for line in decided.lines])
        if not len(rows):
            raise accounting.NothingKeptError(
                f"the mixture takes none of the {len(kept)} conversations kept; raise its ratios or lower held_out_rows"
            )
        lengths = index.tokens[rows]
        packs = pack(lengths.tolist(), config.token_budget, config.pack_window, config.seed)
        sizes = np.array([len(each) for each in packs], np.int64)
        order = np.fromiter((position for each in packs for position in each), np.int64, len(rows))
        last_pass = LastPass(
            self.store,
            self.directory,
            index.block,
            index.offset,
            Packs(rows[order], sizes),
            config.packs_per_shard,
            kept,
        )
        (self.directory / "records").mkdir()
        written = pa.concat_tables(_map("writing", last_pass.run, last_pass.tasks)).to_pylist()
        write_records(self.directory / HELD_OUT_FILE, take_records(self.store, index, decided.held_out))
        examined = Examined(lengths, np.add.reduceat(lengths[order], np.cumsum(sizes) - sizes) / config.token_budget)
        dropped = drops(self.store, index, decisions, self.places)
        write_drops(self.directory / DROPS_FILE, examined.watched(dropped))
        tokens = int(lengths.sum(dtype=np.int64))
        template = chat.dialect.chat_template(chat.tokenizer)
        manifest = Manifest(
            packs=len(packs),
            tokens=tokens,
            trained_tokens=int(index.trained_tokens[rows].sum(dtype=np.int64)),
            conversations=len(rows),
            token_budget=config.token_budget,
            fill=tokens / (len(packs) * config.token_budget),
            seed=config.seed,
            dialect=chat.dialect.name,
            tokenizer_sha256=chat.tokenizer.sha256,
            template_sha256=hashlib.sha256(template.encode("utf-8")).hexdigest(),
            code_sha256=code_sha256(),
            shards=tuple(Shard.model_validate(each) for each in written if each["packs"]),
            sources=decided.sources,
            mixture=_counted(decided),
            augmented=decided.augmented,
            kinds=index.kind.counts(kept),
            languages=index.language.counts(kept),
            flags=index.flags.counts(kept),
            inputs=inputs,
        )
        write_report(self.directory, manifest, examined, self._keywords(index))
        shutil.rmtree(self.store.directory)
        write_run_record(self.directory, config)
        write_manifest(self.directory, manifest)
        return manifest

    def _tasks(self) -> tuple[BlockTask, ...]:
        """Every source cut into blocks, in order of source, file and row."""
        tasks: list[BlockTask] = []
        for place, source in enumerate(self.sources):
            row = 0
            for file in source.files:
                plain = unpacked(file, self.store.directory)
                blocks = survey(plain, self.rows_per_block, row)
                form = form_of(source.form, blocks, plain)
                row += sum(block.rows for block in blocks)
                tasks += [BlockTask(len(tasks) + number, place, form, block) for number, block in enumerate(blocks)]
                event(logger, "surveyed", source=source.name, split=source.split, file=file, format=form, rows=row)
        return tuple(tasks)

    def _keywords(self, index: Index) -> Counter[str]:
        census: Counter[str] = Counter()
        for block in np.unique(index.block).tolist():
            with mapped_table(self.store.rows_file(block)) as table:
                census += keyword_census(table)
        return census


def _counted(decided: _Decided) -> tuple[MixtureCounts, ...]:
    index = decided.index
    return tuple(
        MixtureCounts(
            source=line.entry.source,
            split=line.entry.split,
            ratio=line.entry.ratio,
            conversations=len(line.rows),
            tokens=int(index.tokens[line.rows].sum(dtype=np.int64)),
            trained_tokens=int(index.trained_tokens[line.rows].sum(dtype=np.int64)),
        )
        for line in decided.lines
    )


def _inputs(config: PrepareConfig, sources: list[ResolvedSource]) -> tuple[InputFile, ...]:
    files = [file for source in sources for file in source.files]
    files += [file for file, _ in evaluation_files(config.evaluation_sets)]
    return tuple(InputFile(path=str(file), sha256=input_sha256(file)) for file in files)


def _map(description: str, work: Callable[[int], pa.Table], tasks: int) -> Iterator[pa.Table]:
    """What `work` gives for each task number, in order, from parallel Ray Data tasks.

    Raises what `work` raises: errors that a person can act on as they are, a full disk as OutputError.
    """

    def run(batch: dict[str, npt.NDArray[np.int64]]) -> pa.Table:
        return pa.concat_tables([work(number) for number in batch["id"].tolist()])

    dataset = ray.data.range(tasks, override_num_blocks=tasks).map_batches(run, batch_size=None)
    done = 0
    with progress(description, total=tasks) as bar:
        try:
            for table in dataset.iter_batches(batch_format="pyarrow", batch_size=None):
                yield table
                done += 1
                bar.update(bar.task_ids[0], completed=done)
        except RayTaskError as error:
            # Ray writes advice for its own developers behind the message.
            message = str(error.cause).partition("\nFailed to apply UDF transform")[0]
            if isinstance(error.cause, OctupusError):
                raise type(error.cause)(message) from None
            if isinstance(error.cause, OSError):
                raise OutputError(
                    f"{description} stopped: {message}; free space or choose another output, and run the same again"
                ) from error
            raise


def _finished(config: PrepareConfig, inputs: tuple[InputFile, ...], chat: ModelChat) -> Manifest | None:
    """The manifest in `output` when it was made by this code from this configuration, these inputs and tokenizer."""
    record = config.output / "run.json"
    if not record.is_file():
        return None
    try:
        manifest = read_manifest(config.output)
        made_from = json.loads(record.read_text("utf-8"))["config"]
        if manifest.inputs != inputs or manifest.tokenizer_sha256 != chat.tokenizer.sha256:
            return None
        if manifest.code_sha256 != code_sha256():
            return None
        if _comparable(made_from) != _comparable(config.model_dump(mode="json")):
            return None
        verify(config.output, manifest)
    except (ManifestError, ValueError, KeyError) as error:
        event(logger, "not_reused", output=config.output, because=error)
        return None
    return manifest


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what changes nothing in the output."""
    return {key: value for key, value in config.items() if key not in ("num_cpus", "output", "count_mixture")}


@contextmanager
def _ordered_execution() -> Iterator[None]:
    """Ray Data set to keep the order of rows, to raise what tasks raise, and to stay quiet; afterwards as it was."""
    context = ray.data.DataContext.get_current()
    loggers = [
        logging.getLogger(name) for name in ("ray.data", "ray.data._internal.execution.streaming_executor_state")
    ]
    before = (
        context.execution_options.preserve_order,
        context.enable_progress_bars,
        context.raise_original_map_exception,
        [each.level for each in loggers],
    )
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before[:2]
        context.raise_original_map_exception = before[2]
        for each, level in zip(loggers, before[3], strict=True):
            each.setLevel(level)

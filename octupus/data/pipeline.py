"""Corpora to packed shards: the only place where data preparation meets Ray.

    read -> convert -> repair -> structure -> schema -> dedup -> mixture -> tokenise -> pack -> shards

The steps on single rows run as Ray Data operators over blocks in order; the others see all ids at once and run here.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray.data

from octupus.chat.registry import ModelChat, model_chat
from octupus.data import accounting, dedup, mixture
from octupus.data.config import PrepareConfig, SourceConfig
from octupus.data.manifest import (
    InputFile,
    Manifest,
    SourceCounts,
    file_sha256,
    read_manifest,
    verify,
    write_manifest,
)
from octupus.data.pack import pack
from octupus.data.reasons import Reason, Stage
from octupus.data.records import DROP, RAW, RECORD
from octupus.data.report import Examined, write_report
from octupus.data.rows import EXCERPT_CHARACTERS, check_table, tokenise_table
from octupus.data.shards import Document, write_shards
from octupus.data.sources.detect import ROWS_LOOKED_AT, detect_format
from octupus.data.sources.reader import RawRow, read_rows
from octupus.data.staging import refuse_foreign, staged
from octupus.errors import CorpusError, ManifestError
from octupus.ray_session import ray_session
from octupus.telemetry import event, progress, write_run_record

logger = logging.getLogger(__name__)

ROWS_PER_BLOCK = 1000
HELD_OUT_FILE = "held_out.parquet"


def prepare(config: PrepareConfig, rows_per_block: int = ROWS_PER_BLOCK) -> Manifest:
    """Prepare the data that `config` describes, or return the manifest of what is already there.

    Uses the Ray cluster that is initialised or named by RAY_ADDRESS, else a local instance of its own.
    `rows_per_block` decides how work is cut into tasks, never what comes out.
    """
    chat = model_chat(config.model)
    refuse_foreign(config.output)
    inputs = tuple(_input_file(source) for source in config.sources)
    finished = _finished(config, inputs, chat)
    if finished is not None:
        event(logger, "reused", output=config.output, packs=finished.packs, tokens=finished.tokens)
        return finished
    preparation = _Preparation(config, chat, inputs, rows_per_block)
    blocks = preparation.read_sources()  # before Ray starts, so that a broken line is told at once
    with staged(config.output) as directory, ray_session(config.num_cpus), _ordered_execution():
        manifest = preparation.run(blocks, directory)
    event(logger, "prepared", output=config.output, packs=manifest.packs, tokens=manifest.tokens, fill=manifest.fill)
    return manifest


class _Preparation:
    """One run: the tables between the steps."""

    def __init__(
        self, config: PrepareConfig, chat: ModelChat, inputs: tuple[InputFile, ...], rows_per_block: int
    ) -> None:
        self.config = config
        self.chat = chat
        self.inputs = inputs
        self.rows_per_block = rows_per_block
        self.rows_read: dict[str, int] = {}
        self.drops: list[pa.Table] = []

    def read_sources(self) -> list[pa.Table]:
        """All rows as blocks, in order of source and row."""
        blocks: list[pa.Table] = []
        for source in self.config.sources:
            form, rows = with_format(read_rows(source.path, self.config.on_broken_line), source)
            count = 0
            while block := list(islice(rows, self.rows_per_block)):
                blocks.append(pa.Table.from_pylist([_raw(source, row, form) for row in block], schema=RAW))
                count += len(block)
            self.rows_read[source.name] = self.rows_read.get(source.name, 0) + count
            event(logger, "read", source=source.name, split=source.split, format=form, rows=count)
        return blocks

    def run(self, blocks: list[pa.Table], directory: Path) -> Manifest:
        """Every step behind reading; writes all files into `directory`."""
        records = self._deduplicate(self._check(blocks))
        accounting.require_kept(self._account(records))
        held_out = mixture.hold_out(
            records["id"].to_pylist(), records["source"].to_pylist(), self.config.held_out_rows, self.config.seed
        )
        pq.write_table(_take(records, sorted(held_out)), directory / HELD_OUT_FILE, compression="zstd")
        copies = self._mix(records, held_out)
        if not copies:
            raise accounting.NothingKeptError(
                f"the mixture takes none of the {len(records)} conversations kept; "
                "raise its ratios or lower held_out_rows"
            )
        documents, dropped = self._tokenise(records, sorted(set(copies)))
        records = _take(records, [position for position in range(len(records)) if position not in dropped])
        counts = self._account(records)
        accounting.require_kept(counts)
        packed = [documents[position] for position in copies if position in documents]
        if not packed:
            raise accounting.NothingKeptError(
                f"every conversation that the mixture takes has more than {self.config.token_budget} tokens; "
                "raise token_budget"
            )
        return self._write(directory, records, packed, counts)

    def _account(self, records: pa.Table) -> dict[str, SourceCounts]:
        dropped = [place for drops in self.drops for place in _pairs(drops, "source", "reason")]
        return accounting.count_sources(self.rows_read, records["source"].to_pylist(), dropped)

    def _check(self, blocks: list[pa.Table]) -> pa.Table:
        """Convert, repair and check every row; what is left, with drops put aside."""
        checked = _map_blocks("checking", blocks, check_table)
        kept = pc.is_null(checked["reason"])
        self.drops.append(checked.filter(pc.invert(kept)).select(DROP.names))
        records = checked.filter(kept).select(RECORD.names)
        event(logger, "checked", rows=len(checked), kept=len(records))
        return records

    def _deduplicate(self, records: pa.Table) -> pa.Table:
        first = dedup.first_occurrences(records["id"].to_pylist())
        repeated = [position for position, earlier in enumerate(first) if position != earlier]
        earlier_rows = _take(records, [first[position] for position in repeated])
        details = ["same as {source}:{split} row {row}".format_map(row) for row in earlier_rows.to_pylist()]
        self._drop(_take(records, repeated), Stage.DEDUP, [str(Reason.DUPLICATE)] * len(repeated), details)
        kept = _take(records, [position for position, earlier in enumerate(first) if position == earlier])
        event(logger, "deduplicated", rows=len(records), kept=len(kept))
        return kept

    def _mix(self, records: pa.Table, held_out: set[int]) -> list[int]:
        """Positions of the records to train on, a position once a copy."""
        ids, kinds = records["id"].to_pylist(), records["kind"].to_pylist()
        places: dict[tuple[str, str], list[int]] = {}
        for position, place in enumerate(_pairs(records, "source", "split")):
            if position not in held_out:
                places.setdefault(place, []).append(position)
        copies: list[int] = []
        for entry in mixture.entries(self.config.mixture, self.config.sources):
            members = places.get((entry.source, entry.split), [])
            if entry.kinds:
                members = [position for position in members if kinds[position] in entry.kinds]
            selected = mixture.select([ids[position] for position in members], entry, self.config.seed)
            copies += [members[position] for position, _ in selected]
            event(
                logger, "mixed", source=entry.source, split=entry.split, ratio=entry.ratio, conversations=len(selected)
            )
        return copies

    def _tokenise(self, records: pa.Table, positions: list[int]) -> tuple[dict[int, Document], set[int]]:
        """Documents by position, and the positions dropped."""
        chosen = _take(records, positions).append_column("position", pa.array(positions, pa.int64()))
        blocks = [chosen.slice(start, self.rows_per_block) for start in range(0, len(chosen), self.rows_per_block)]
        operator = partial(
            tokenise_table, model=str(self.config.model.absolute()), token_budget=self.config.token_budget
        )
        tokenised = _map_blocks("tokenising", blocks, operator)
        failed = tokenised.filter(pc.is_valid(tokenised["reason"]))
        dropped: list[int] = failed["position"].to_pylist()
        self._drop(
            _take(records, dropped),
            Stage.TOKENISE,
            failed["reason"].to_pylist(),
            failed["detail"].to_pylist(),
        )
        event(logger, "tokenised", conversations=len(tokenised) - len(dropped), dropped=len(dropped))
        return _documents(tokenised), set(dropped)

    def _write(
        self, directory: Path, records: pa.Table, documents: list[Document], counts: dict[str, SourceCounts]
    ) -> Manifest:
        config = self.config
        drops = self._sorted_drops()
        lengths = [len(document.ids) for document in documents]
        packs = pack(lengths, config.token_budget, config.pack_window, config.seed)
        shards = write_shards(directory, documents, packs, config.packs_per_shard)
        pq.write_table(records, directory / "records.parquet", compression="zstd")
        pq.write_table(drops, directory / "drops.parquet", compression="zstd")
        template = self.chat.dialect.chat_template(self.chat.tokenizer)
        tokens = sum(lengths)
        manifest = Manifest(
            packs=len(packs),
            tokens=tokens,
            trained_tokens=sum(int(document.trained.sum()) for document in documents),
            conversations=len(documents),
            token_budget=config.token_budget,
            fill=tokens / (len(packs) * config.token_budget) if packs else 0.0,
            seed=config.seed,
            dialect=self.chat.dialect.name,
            tokenizer_sha256=self.chat.tokenizer.sha256,
            template_sha256=hashlib.sha256(template.encode("utf-8")).hexdigest(),
            shards=shards,
            sources=counts,
            kinds=accounting.by_name(records["kind"].to_pylist()),
            languages=accounting.by_name(records["language"].to_pylist()),
            inputs=self.inputs,
        )
        fills = [sum(lengths[position] for position in each) / config.token_budget for each in packs]
        write_report(directory, manifest, Examined(drops.to_pylist(), lengths, fills))
        write_run_record(directory, config)
        write_manifest(directory, manifest)
        return manifest

    def _drop(self, records: pa.Table, stage: Stage, reasons: list[str], details: list[str]) -> None:
        excerpts = pc.utf8_slice_codeunits(records["messages"], 0, EXCERPT_CHARACTERS).cast(pa.string())
        columns = [records["source"], records["split"], records["row"], [str(stage)] * len(records)]
        self.drops.append(pa.table([*columns, reasons, details, excerpts], schema=DROP))

    def _sorted_drops(self) -> pa.Table:
        """All drops in order of source and row."""
        drops = pa.concat_tables(self.drops)
        order = {(source.name, source.split): rank for rank, source in enumerate(self.config.sources)}
        keys = [
            (order[source, split], row)
            for source, split, row in zip(
                *(drops[name].to_pylist() for name in ("source", "split", "row")), strict=True
            )
        ]
        return _take(drops, sorted(range(len(keys)), key=keys.__getitem__))


def with_format(rows: Iterator[RawRow], source: SourceConfig) -> tuple[str, Iterator[RawRow]]:
    """The name of the source's format, found out from the first rows when it is `auto`, and all rows."""
    if source.format != "auto":
        return source.format, rows
    first = list(islice(rows, ROWS_LOOKED_AT))
    return detect_format([row.value for row in first], source.path), chain(first, rows)


def _take(table: pa.Table, positions: list[int]) -> pa.Table:
    # Typed, since Arrow takes the type of an empty list for null and then refuses it.
    return table.take(pa.array(positions, pa.int64()))


def _pairs(table: pa.Table, first: str, second: str) -> list[tuple[str, str]]:
    return list(zip(table[first].to_pylist(), table[second].to_pylist(), strict=True))


def _raw(source: SourceConfig, row: RawRow, form: str) -> dict[str, Any]:
    return {
        "source": source.name,
        "split": source.split,
        "row": row.row,
        "format": form,
        "text": row.text,
        "problem": row.problem,
    }


def _documents(tokenised: pa.Table) -> dict[int, Document]:
    documents: dict[int, Document] = {}
    for batch in tokenised.filter(pc.is_null(tokenised["reason"])).to_batches():
        ids = batch["ids"].flatten().to_numpy(zero_copy_only=False)
        trained = batch["trained"].flatten().to_numpy(zero_copy_only=False)
        end = np.cumsum(pc.list_value_length(batch["ids"]).to_numpy(zero_copy_only=False))
        start = 0
        for position, stop in zip(batch["position"].to_pylist(), end.tolist(), strict=True):
            documents[position] = Document(ids[start:stop], trained[start:stop])
            start = stop
    return documents


def _map_blocks(description: str, blocks: list[pa.Table], operator: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Run a row operator over the blocks, in parallel; the results in the order of the blocks."""
    dataset = ray.data.from_arrow(blocks).map_batches(operator, batch_format="pyarrow", batch_size=None)
    results: list[pa.Table] = []
    with progress(description, total=sum(len(block) for block in blocks)) as bar:
        for result in dataset.iter_batches(batch_format="pyarrow", batch_size=None):
            results.append(result)
            bar.update(bar.task_ids[0], advance=len(result))
    return pa.concat_tables(results)


def _input_file(source: SourceConfig) -> InputFile:
    if not source.path.is_file():
        raise CorpusError(f"corpus {source.path} of source {source.name!r} does not exist; correct the source's path")
    return InputFile(path=str(source.path), sha256=file_sha256(source.path))


def _finished(config: PrepareConfig, inputs: tuple[InputFile, ...], chat: ModelChat) -> Manifest | None:
    """The manifest in `output` when it was made from this configuration, these inputs and this tokenizer."""
    record = config.output / "run.json"
    if not record.is_file():
        return None
    try:
        manifest = read_manifest(config.output)
        made_from = json.loads(record.read_text("utf-8"))["config"]
        if manifest.inputs != inputs or manifest.tokenizer_sha256 != chat.tokenizer.sha256:
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
    return {key: value for key, value in config.items() if key not in ("num_cpus", "output")}


@contextmanager
def _ordered_execution() -> Iterator[None]:
    """Ray Data set to keep the order of rows and to stay quiet, as it was again afterwards."""
    context = ray.data.DataContext.get_current()
    ray_logger = logging.getLogger("ray.data")
    before = context.execution_options.preserve_order, context.enable_progress_bars, ray_logger.level
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    ray_logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before[:2]
        ray_logger.setLevel(before[2])

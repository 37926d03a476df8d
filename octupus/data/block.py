"""A task of the first pass: a block of corpus rows to a block of examined rows, its drops and its part of the index."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from octupus.chat.render import Rendered
from octupus.data.augment.apply import applicable
from octupus.data.caps import tools_called
from octupus.data.examine import Dropped, Kept, Rules, examine_rows
from octupus.data.minhash import MinHasher, conversation_text
from octupus.data.records import BLOCK, DROP, INDEX
from octupus.data.sources.reader import OnBrokenLine, broken_line, read_block
from octupus.data.sources.registry import FORMATS
from octupus.data.sources.survey import Block
from octupus.data.store import Store, write_table
from octupus.schema.census import keywords

CENSUS = b"octupus.keywords"
_RENDERED = ("ids", "trained")


@dataclass(frozen=True, slots=True)
class BlockTask:
    """A block of a source's rows."""

    number: int
    """Of the block in the store."""
    place: int
    """Position of the source in the configuration."""
    form: str
    """Name of the rows' format."""
    rows: Block


@dataclass(frozen=True, slots=True)
class BlockWriter:
    """Writes what became of rows as files of the store."""

    store: Store
    places: tuple[tuple[str, str], ...]
    """Source and split by place."""
    hasher: MinHasher | None
    """None where near-duplicates are kept."""
    augment: bool
    """Whether the index tells which augmentations a row is fit for."""

    def write(self, number: int, places: Sequence[int], outcomes: Sequence[Kept | Dropped]) -> pa.Table:
        """Write the block's files; gives its part of the index (`records.INDEX`). A place for each outcome."""
        rows: list[dict[str, Any]] = []
        rendered: list[Rendered] = []
        drops: list[dict[str, Any]] = []
        census: Counter[str] = Counter()
        index: list[dict[str, Any]] = []
        sketches = self._sketches(outcomes)
        for place, outcome in zip(places, outcomes, strict=True):
            source, split = self.places[place]
            if isinstance(outcome, Dropped):
                drops.append({"source": source, "split": split} | asdict(outcome))
                entry = self._index_of_drop(outcome)
            else:
                row = outcome.conversation.to_row() | {"source": source, "split": split}
                entry = self._index_of_row(outcome, row["id"], len(rows)) | next(sketches)
                rows.append(row)
                rendered.append(outcome.rendered)
                for tool in outcome.conversation.tools:
                    census += keywords(tool.function.parameters)
            index.append(entry | {"place": place, "block": number})
        write_table(self.store.rows_file(number), _rows_table(rows, rendered, census))
        write_table(self.store.drops_file(number), pa.Table.from_pylist(drops, schema=DROP))
        return pa.Table.from_pylist(index, schema=INDEX)

    def _index_of_drop(self, dropped: Dropped) -> dict[str, Any]:
        hasher = self.hasher
        return {
            "row": dropped.row,
            "part": dropped.part,
            "offset": -1,
            "stage": str(dropped.stage),
            "reason": str(dropped.reason),
            "id": bytes(32),
            "tokens": 0,
            "trained_tokens": 0,
            "kind": "",
            "language": "",
            "flags": [],
            "calls": [],
            "augmentations": 0,
            "bands": bytes(8 * hasher.band_count) if hasher else b"",
            "sketch": bytes(hasher.permutations) if hasher else b"",
        }

    def _sketches(self, outcomes: Sequence[Kept | Dropped]) -> Iterator[dict[str, bytes]]:
        """Bands and sketch of each kept row."""
        kept = [outcome.conversation for outcome in outcomes if isinstance(outcome, Kept)]
        if not self.hasher:
            return iter([{"bands": b"", "sketch": b""}] * len(kept))
        signatures = self.hasher.signatures([conversation_text(each) for each in kept])
        columns = zip(self.hasher.bands(signatures), signatures.astype(np.uint8), strict=True)
        return iter([{"bands": bands.tobytes(), "sketch": sketch.tobytes()} for bands, sketch in columns])

    def _index_of_row(self, kept: Kept, identity: str, offset: int) -> dict[str, Any]:
        conversation = kept.conversation
        return {
            "row": conversation.row,
            "part": conversation.part,
            "offset": offset,
            "stage": None,
            "reason": None,
            "id": bytes.fromhex(identity),
            "tokens": len(kept.rendered.ids),
            "trained_tokens": sum(kept.rendered.trained),
            "kind": conversation.kind,
            "language": conversation.language,
            "flags": list(conversation.flags),
            "calls": list(tools_called(conversation)),
            "augmentations": applicable(conversation) if self.augment else 0,
        }


@dataclass(frozen=True, slots=True)
class FirstPass:
    """The pass over the corpora: what every task of it knows. A task is a number, of a block of rows."""

    tasks: tuple[BlockTask, ...]
    rules: Rules
    writer: BlockWriter
    on_broken_line: OnBrokenLine

    def run(self, number: int) -> pa.Table:
        """Examine a block of rows; gives its part of the index. Raises CorpusError at a broken line that stops."""
        with without_garbage_collection():
            return self._run(self.tasks[number])

    def _run(self, task: BlockTask) -> pa.Table:
        convert = FORMATS[task.form].bind(task.rows.path)
        rows = list(read_block(task.rows))
        broken = next((raw.problem for raw in rows if raw.problem), "")
        if broken and self.on_broken_line == "stop":
            raise broken_line(broken)
        outcomes = examine_rows(rows, convert, self.rules)
        return self.writer.write(task.number, [task.place] * len(outcomes), outcomes)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """No search for cycles while the block runs: conversations hold none, and looking costs a twentieth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def keyword_census(table: pa.Table) -> Counter[str]:
    """How often each JSON Schema keyword occurs in the tools of a block's rows, from the block's own metadata."""
    return Counter(json.loads((table.schema.metadata or {}).get(CENSUS, b"{}")))


def _rows_table(rows: Sequence[dict[str, Any]], rendered: Sequence[Rendered], census: Counter[str]) -> pa.Table:
    columns: list[pa.Array] = [
        pa.array([row[field.name] for row in rows], field.type) for field in BLOCK if field.name not in _RENDERED
    ]
    ends = np.cumsum([0, *(len(each.ids) for each in rendered)], dtype=np.int64)
    ids = _joined([each.ids for each in rendered], np.int32)
    trained = _joined([each.trained for each in rendered], np.bool_)
    columns += [pa.LargeListArray.from_arrays(ends, pa.array(values)) for values in (ids, trained)]
    return pa.table(columns, schema=BLOCK.with_metadata({CENSUS: json.dumps(census).encode()}))


def _joined(lists: Sequence[Sequence[int]], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *(np.array(each, dtype) for each in lists)])

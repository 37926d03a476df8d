"""The pass that adds augmented rows: each made from kept rows, examined like a row of a corpus, and counted.

An augmented row belongs to the source and split of the row it is made of, and the mixture takes it as it takes that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from octupus.conversation import Conversation, Tool
from octupus.data.augment.apply import augment
from octupus.data.augment.config import AUGMENTATIONS, AugmentConfig
from octupus.data.augment.distractors import tool_pool
from octupus.data.augment.plan import Candidates, plan
from octupus.data.block import BlockWriter
from octupus.data.examine import Dropped, Kept, Rules, examine
from octupus.data.index import PASSED, REASONS, Index, Int32s
from octupus.data.manifest import AugmentCounts
from octupus.data.mixture import shuffled
from octupus.data.reasons import Problem, Reason, Stage
from octupus.data.records import RECORD
from octupus.data.store import Store

JOBS_PER_TASK = 1000
_NOT_APPLICABLE: tuple[Stage, Problem] = (
    Stage.AUGMENT,
    (Reason.NOT_APPLICABLE, "the augmentation does not fit the conversation"),
)
POOL_ROWS = 2000
"""Rows whose tools distractors are chosen from."""


@dataclass(frozen=True, slots=True)
class AugmentPass:
    """What every task of the pass knows. A task is a number: a slice of the jobs."""

    store: Store
    rules: Rules
    writer: BlockWriter
    config: AugmentConfig
    seed: int
    jobs: pa.Table
    """Rows of `augment.plan.JOBS`, whose positions are rows of the index."""
    block: Int32s
    offset: Int32s
    place: Int32s
    pool: tuple[Tool, ...]
    first_block: int
    """Number of the first block that is written."""

    @property
    def tasks(self) -> int:
        return -(-len(self.jobs) // JOBS_PER_TASK)

    def run(self, task: int) -> pa.Table:
        """Make and examine rows; a table of `records.INDEX` whose `place` is the first row's."""
        jobs = self.jobs.slice(task * JOBS_PER_TASK, JOBS_PER_TASK)
        first, second = (jobs[name].to_numpy() for name in ("position_a", "position_b"))
        conversations = self._read(first)
        merged = np.flatnonzero(second >= 0)
        others = dict(zip(merged.tolist(), self._read(second[merged]), strict=True)) if len(merged) else {}
        names = jobs["augmentation"].to_pylist()
        made = [
            augment(
                name,
                conversation,
                self.seed,
                second=others.get(number),
                pool=self.pool,
                max_distractors=self.config.max_distractors,
            )
            for number, (name, conversation) in enumerate(zip(names, conversations, strict=True))
        ]
        outcomes = _examined(made, conversations, self.rules)
        return self.writer.write(self.first_block + task, self.place[first].tolist(), outcomes)

    def _read(self, rows: npt.NDArray[np.int64]) -> list[Conversation]:
        table = self.store.take(self.block[rows], self.offset[rows], RECORD.names)
        return [Conversation.from_row(row) for row in table.to_pylist()]


def augment_pass(
    store: Store,
    rules: Rules,
    writer: BlockWriter,
    config: AugmentConfig,
    seed: int,
    index: Index,
    available: npt.NDArray[np.bool_],
) -> AugmentPass | None:
    """The pass over the `available` rows (bool[n]) of the index; None when no augmentation is on or fits a row."""
    if not any(map(config.ratio, AUGMENTATIONS)):
        return None
    # An augmented row differs from its origin in what it teaches; the corpora's own contamination was dropped already.
    candidates = Candidates(index.ids, index.language.codes, np.where(available, index.augmentations, 0))
    jobs = plan(candidates, config, seed)
    if not len(jobs):
        return None
    first_block = int(index.block.max()) + 1
    pool = _pool(store, index, available, seed)
    return AugmentPass(
        store, rules, writer, config, seed, jobs, index.block, index.offset, index.place, pool, first_block
    )


def count_augmented(jobs: pa.Table, reasons: npt.NDArray[np.int8]) -> dict[str, AugmentCounts]:
    """What became of each augmentation's rows; `reasons`, int8[jobs], as in the index."""
    names = np.array(jobs["augmentation"].to_pylist())
    counts: dict[str, AugmentCounts] = {}
    for name in dict.fromkeys(names.tolist()):
        of_name = reasons[names == name]
        dropped = Counter(str(REASONS[code]) for code in of_name.tolist() if code != PASSED)
        kept = len(of_name) - sum(dropped.values())
        counts[name] = AugmentCounts(made=len(of_name), kept=kept, dropped=dict(sorted(dropped.items())))
    return counts


def _pool(store: Store, index: Index, available: npt.NDArray[np.bool_], seed: int) -> tuple[Tool, ...]:
    chat = [code for code, kind in enumerate(index.kind.vocabulary) if kind == "chat"]
    rows = np.flatnonzero(available & ~np.isin(index.kind.codes, chat))
    rows = rows[shuffled(index.ids[rows], "tool pool", seed)[:POOL_ROWS]]
    if not len(rows):
        return ()
    texts = store.take(index.block[rows], index.offset[rows], ["tools"])["tools"].to_pylist()
    return tool_pool(Tool.model_validate(tool) for text in texts for tool in json.loads(text))


def _examined(
    made: Sequence[Conversation | None], origins: Sequence[Conversation], rules: Rules
) -> list[Kept | Dropped]:
    placed = [
        None if each is None else each.model_copy(update={"row": origin.row, "part": origin.part})
        for each, origin in zip(made, origins, strict=True)
    ]
    examined = iter(examine([each for each in placed if each is not None], rules))
    outcomes: list[Kept | Dropped] = []
    for each, origin in zip(placed, origins, strict=True):
        outcome = _NOT_APPLICABLE if each is None else next(examined)
        if isinstance(outcome, Kept):
            outcomes.append(outcome)
        else:
            stage, (reason, detail) = outcome
            outcomes.append(Dropped(origin.row, origin.part, stage, reason, detail, excerpt=""))
    return outcomes

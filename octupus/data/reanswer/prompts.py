"""The conversations to ask as a Ray Data source: one task reads the input block by block, as fast as they are taken."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from ray.data import Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from octupus.data.reanswer.asker import ASKED, asked_row
from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.ledger import Index
from octupus.data.reanswer.source import pending
from octupus.endpoint.outcome import Answer

ROWS_PER_BLOCK = 32


class PromptSource(Datasource):  # type: ignore[misc]  # Ray has no types here
    """What the ledger leaves to ask."""

    def __init__(self, config: ReanswerConfig, form: str, index: Index) -> None:
        super().__init__()
        self._config, self._form, self._index = config, form, index

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before it is read."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """One task, since formats may refer to earlier rows and order keeps the input's locality."""
        config, form, index = self._config, self._form, self._index
        unknown = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
        return [ReadTask(lambda: blocks(config, form, index), unknown, schema=ASKED)]


def blocks(config: ReanswerConfig, form: str, index: Index) -> Iterator[pa.Table]:
    """Blocks of rows of `ASKED`, in the input's order."""
    rows = (
        asked_row(dialogue.conversation, _answers(index, entry.row, entry.part))
        for entry, dialogue in pending(config, form, index)
    )
    while block := list(islice(rows, ROWS_PER_BLOCK)):
        yield pa.Table.from_pylist(block, schema=ASKED)


def _answers(index: Index, row: int, part: int) -> dict[int, Answer]:
    return {turn: value for turn, value in index.outcomes(row, part).items() if isinstance(value, Answer)}

"""The actor of Ray Data's pool: holds a teacher and keeps `concurrency` requests open."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import SecretStr

from octupus.conversation import Conversation
from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.dialogue import Dialogue, DialogueRules
from octupus.data.reanswer.teacher import make_teacher
from octupus.endpoint.outcome import Answer, Failure, Outcome

ASKED = pa.schema([("row", pa.int64()), ("part", pa.int64()), ("conversation", pa.string()), ("answers", pa.string())])
"""A conversation to ask, and as JSON the answers that its earlier turns have, by turn."""

CAME_BACK = pa.schema(
    [
        ("row", pa.int64()),
        ("part", pa.int64()),
        ("failed", pa.string()),
        ("detail", pa.string()),
        ("answers", pa.int64()),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("retries", pa.int64()),
    ]
)
"""What came of a conversation in this run. The answers themselves are in the ledger by then."""

Result = TypeVar("Result")


def asked_row(conversation: Conversation, answers: Mapping[int, Answer]) -> dict[str, Any]:
    """One row of `ASKED`."""
    stored = {turn: answer.model_dump() for turn, answer in answers.items()}
    return {
        "row": conversation.row,
        "part": conversation.part,
        "conversation": json.dumps(conversation.model_dump()),
        "answers": json.dumps(stored),
    }


class Asker:
    """Called with blocks by several threads; one event loop serves them all."""

    def __init__(self, config: ReanswerConfig, recorder: Any, api_key: SecretStr | None, on_cpu: bool) -> None:
        self._rules = DialogueRules.of(config)
        self._recorder = recorder
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="asker").start()
        self._gate = asyncio.Semaphore(config.concurrency)
        self._teacher = self._finish(make_teacher(config, api_key, on_cpu))

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Ask rows of `ASKED` until each has all its turns or has failed; gives rows of `CAME_BACK`."""
        return pa.Table.from_pylist(self._finish(self._ask(batch.to_pylist())), schema=CAME_BACK)

    def _finish(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _ask(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # Ray gives a block to another actor when one dies over it; what that one recorded is not asked again.
        recorded = await self._recorder.answered.remote([(row["row"], row["part"]) for row in rows])
        return await asyncio.gather(*map(self._converse, rows, recorded))

    async def _converse(self, row: dict[str, Any], recorded: dict[int, Answer]) -> dict[str, Any]:
        dialogue = Dialogue(Conversation.model_validate(json.loads(row["conversation"])), self._rules)
        known = {int(turn): Answer.model_validate(value) for turn, value in json.loads(row["answers"]).items()}
        known |= recorded
        counts: Counter[str] = Counter()
        detail = ""
        while (turn := dialogue.next_turn) is not None:
            outcome = known.get(turn) or await self._ask_turn(row["row"], row["part"], turn, dialogue)
            if turn not in known:
                counts["retries"] += sum(outcome.retries.values())
                if isinstance(outcome, Answer):
                    counts["answers"] += 1
                    counts["tokens_in"] += outcome.tokens_in
                    counts["tokens_out"] += outcome.tokens_out
            if isinstance(outcome, Failure):
                detail = outcome.detail
            dialogue.feed(outcome)
        numbers = {name: counts[name] for name in ("answers", "tokens_in", "tokens_out", "retries")}
        return {"row": row["row"], "part": row["part"], "failed": dialogue.failed, "detail": detail, **numbers}

    async def _ask_turn(self, row: int, part: int, turn: int, dialogue: Dialogue) -> Outcome:
        async with self._gate:
            outcome = await self._teacher.ask(dialogue.prompt(), dialogue.tools())
            # Inside the gate, so that a slow disk slows the asking and nothing piles up.
            kept: Outcome = await self._recorder.record.remote((row, part, turn), outcome)
            return kept

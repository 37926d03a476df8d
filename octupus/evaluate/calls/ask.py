"""Asks what has no answer yet, many requests at once, and writes each answer down as it comes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from octupus.evaluate.calls.ledger import Ledger
from octupus.evaluate.calls.question import Key
from octupus.evaluate.scoring import Reply
from octupus.telemetry import event, progress

logger = logging.getLogger(__name__)

Asked = TypeVar("Asked")


def unanswered(keyed: Mapping[Key, Asked], answers: Mapping[Key, Mapping[str, Any]]) -> dict[Key, Asked]:
    """What was never asked, or failed: an answer has failed when its `error` is not null."""
    return {key: asked for key, asked in keyed.items() if key not in answers or answers[key]["error"] is not None}


async def ask_all(
    description: str,
    pending: Mapping[Key, Asked],
    ask: Callable[[Asked], Awaitable[dict[str, Any]]],
    ledger: Ledger,
    concurrency: int,
) -> None:
    """Ask everything pending, `concurrency` at a time, and add each answer to the ledger.

    Raises the first error that `ask` or the ledger raises; what was answered until then is kept.
    """
    left = iter(pending.items())
    started = time.monotonic()
    done = failed = 0

    with progress(description, total=len(pending)) as bar:

        async def work() -> None:
            nonlocal done, failed
            for key, asked in left:
                answer = await ask(asked)
                ledger.add(key, answer)
                done += 1
                failed += answer["error"] is not None
                rate = done / max(time.monotonic() - started, 1e-9)
                bar.update(bar.task_ids[0], advance=1, note=f"{rate:.1f}/s, {failed} failed")

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(pending))):
                    group.create_task(work())
        except ExceptionGroup as errors:
            # All of them do the same: what stopped one, such as a full disk, stopped the others.
            raise errors.exceptions[0] from errors
    event(logger, "asked", what=description, answers=done, failed=failed, seconds=time.monotonic() - started)


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """A reply as the ledger holds it."""
    return asdict(reply)


def reply_from_json(value: Mapping[str, Any]) -> Reply:
    """The reply that `reply_to_json` wrote."""
    return Reply(
        calls=tuple((name, arguments) for name, arguments in value["calls"]),
        content=value["content"],
        completion_tokens=value["completion_tokens"],
        error=value["error"],
    )


def failures(replies: Sequence[Reply]) -> dict[str, int]:
    """How many replies failed, by reason, the most frequent first."""
    counts: dict[str, int] = {}
    for reply in replies:
        if reply.error is not None:
            reason = reply.error.partition(":")[0]
            counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))

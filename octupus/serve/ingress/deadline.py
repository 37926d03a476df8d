"""Waiting until a point in time, told apart from time-outs of what is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_Result = TypeVar("_Result")


class DeadlineError(Exception):
    """What was waited for did not come in time."""


async def before(deadline: float | None, awaited: Awaitable[_Result]) -> _Result:
    """What `awaited` gives; None is no deadline, else a time of the event loop's clock. Raises DeadlineError."""
    if deadline is None:
        return await awaited
    timeout = asyncio.timeout_at(deadline)
    try:
        async with timeout:
            return await awaited
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise DeadlineError("the time is over") from error

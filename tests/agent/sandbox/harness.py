"""What the sandbox's tests share: the misbehaving module in a sandbox, and which processes there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.python_source import PythonSource

MISBEHAVING = Path(__file__).with_name("misbehaving_tools.py")


@asynccontextmanager
async def sandbox(**limits: Any) -> AsyncIterator[PythonSource]:
    """The misbehaving tools, closed at the end."""
    source = await PythonSource.open(str(MISBEHAVING), LimitsConfig(**{"timeout_s": 8, **limits}))
    try:
        yield source
    finally:
        await source.close()


def run(test: Callable[[PythonSource], Coroutine[Any, Any, None]], **limits: Any) -> None:
    """Run a test with the misbehaving tools, and afterwards see that they still work."""

    async def whole() -> None:
        async with sandbox(**limits) as source:
            await test(source)
            result, state = await source.call("add", {"number": 1}, {"items": []})
            assert result.ok
            assert state == {"items": [1]}

    asyncio.run(whole())


def descendants(process: int) -> set[int]:
    """All processes below one."""
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found |= {child, *descendants(child)}
    return found


def running(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False

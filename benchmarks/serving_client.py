"""The client of `serving_throughput.py`: streams chat completions in a closed loop and notes when each piece arrives.

As a program, so that its work is not a server's: reads a job as JSON from standard input, writes its records as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Record:
    """One answer; times in seconds since its request was sent."""

    times: list[float]
    """Of the pieces with text or arguments."""
    tokens: int
    ended: float
    finish_reason: str | None


async def ask(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Record:
    """One streamed answer. Lines are noted as they come and read afterwards, so that reading delays none of them."""
    lines: list[tuple[float, bytes]] = []
    started = perf_counter()
    async with session.post(url, json=body) as answer:
        if answer.status != 200:
            raise SystemExit(f"{url} answered {answer.status}: {await answer.text()}")
        async for line in answer.content:
            lines.append((perf_counter() - started, line))
    times: list[float] = []
    tokens, reason = 0, None
    for moment, line in lines:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if "error" in event:
            raise SystemExit(f"{url} sent {event['error']}")
        for choice in event["choices"]:
            if choice["delta"].get("content") or choice["delta"].get("tool_calls"):
                times.append(moment)
            reason = choice.get("finish_reason") or reason
        tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    return Record(times, tokens, lines[-1][0], reason)


async def measure(url: str, body: dict[str, Any], concurrency: int, requests: int) -> dict[str, Any]:
    """`requests` answers, `concurrency` at a time, each client's next one as soon as its last is whole."""
    waiting = iter(range(requests))
    records: list[Record] = []

    async def client(session: aiohttp.ClientSession) -> None:
        for number in waiting:
            messages = [{"role": "user", "content": f"Request {number}: what is the weather in Paris?"}]
            records.append(await ask(session, url, body | {"messages": messages}))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(concurrency)))  # connections, caches, first compilations
        waiting, records = iter(range(1000, 1000 + requests)), []
        started = perf_counter()
        await asyncio.gather(*(client(session) for _ in range(concurrency)))
        elapsed = perf_counter() - started
    return {"elapsed": elapsed, "records": [asdict(record) for record in records]}


if __name__ == "__main__":
    json.dump(asyncio.run(measure(**json.load(sys.stdin))), sys.stdout)

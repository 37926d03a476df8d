"""Clients that go away before their answers are whole: at once, before the first token, or in mid-stream."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

import httpx

from .asking import MODEL

END = {"1": -100}
"""The bias that keeps the tests' random model from ending its answers: what a client does not end goes on for long."""
TOKENS = 800
BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": TOKENS},
    "/responses": {"input": "Hello", "max_output_tokens": TOKENS},
    "/completions": {"prompt": "Hello", "max_tokens": TOKENS},
}


@dataclass(frozen=True)
class Departure:
    """One request and when its client goes."""

    path: str
    stream: bool
    after_s: float | None
    """Seconds after the request was sent; None goes by pieces."""
    pieces: int
    """Pieces of a stream that are read before."""
    choices: int = 1

    @property
    def body(self) -> dict[str, Any]:
        """What is asked for."""
        body = BODIES[self.path] | {"model": MODEL, "stream": self.stream, "logit_bias": END}
        return body if self.choices == 1 else body | {"n": self.choices}


def departures(count: int, seed: int) -> list[Departure]:
    """Different ones, by a seed."""
    randomness = random.Random(seed)
    result = []
    for _ in range(count):
        path = randomness.choice(list(BODIES))
        kind = randomness.choice(("at once", "soon", "whole", "in the stream"))
        result.append(
            Departure(
                path,
                stream=kind == "in the stream" or (kind != "whole" and randomness.random() < 0.5),
                after_s={"at once": 0.0, "in the stream": None}.get(kind, randomness.uniform(0.005, 0.3)),
                pieces=randomness.randint(1, 40),
                choices=1 if path == "/responses" else randomness.choice((1, 1, 3)),
            )
        )
    return result


async def leave(base_url: str, departure: Departure) -> float | None:
    """Ask, and go as told. When the client went (`time.monotonic`), None where the whole answer came first.

    The connection is the request's own, so that closing it is what the server sees.
    """
    async with httpx.AsyncClient(timeout=300) as http:
        asking = asyncio.ensure_future(_read(http, base_url + departure.path, departure))
        try:
            done, _ = await asyncio.wait([asking], timeout=departure.after_s)
        finally:
            went = time.monotonic()
            asking.cancel()
        if done:
            return asking.result()
        await asyncio.wait([asking])
        return went


async def _read(http: httpx.AsyncClient, url: str, departure: Departure) -> float | None:
    async with http.stream("POST", url, json=departure.body) as answer:
        assert answer.status_code == 200, await answer.aread()
        pieces = 0
        async for line in answer.aiter_lines():
            pieces += line.startswith("data: ")
            if departure.after_s is None and pieces >= departure.pieces:
                return time.monotonic()
    return None

"""Load for the serving benchmarks, from a process of its own: what each request met goes to a file, a line each.

    with running_load(LoadPlan(url, questions, rate=5), records_file) as load: ...
    records = load.records

Open loop (`rate`: requests begin when they are due, whatever became of the earlier ones) or closed loop (`concurrency`
clients, each of which asks anew when it was answered). Every record has an `ending`:

- `whole`: an answer complete by its protocol's rules;
- `error`: the server told of an error, as a status or as an event in the stream;
- `shed`: 429;
- `cut`: the connection broke, which a client sees;
- `unreachable`: there was no connection;
- `silent`: a stream that ended in good order and was not complete: the one thing that must never be;
- `timeout`: no end within the time allowed;
- `left`: the client left on purpose.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from endpoint_requests import StreamedAnswer, whole_answer


@dataclass(frozen=True)
class LoadPlan:
    """What is asked, and how often."""

    url: str
    """Base URL with /v1."""
    questions: list[dict[str, Any]]
    """As `endpoint_requests.questions` makes them; asked in turn."""
    rate: float | None = None
    """Requests a second, evenly spaced."""
    concurrency: int | None = None
    duration_s: float | None = None
    """When no more requests begin; None is when the load is told to stop."""
    requests: int | None = None
    """Most requests."""
    leaving: float = 0.0
    """Share of requests whose client breaks off at a random time."""
    official: bool = False
    """Whether whole answers are asked for by the `openai` package, which tries up to twice more."""
    timeout_s: float = 300.0


@dataclass
class Record:
    """What one request met; times in seconds since it was sent."""

    number: int
    question: int
    request_id: str
    sent_at: float
    """Seconds since 1970."""
    ending: str = "open"
    status: int | None = None
    error: str | None = None
    first: float | None = None
    longest_gap: float = 0.0
    """Between two pieces of a stream, or before the first."""
    total: float = 0.0
    retries: int = 0
    retry_after: str | None = None
    answer: dict[str, Any] | None = None


@dataclass
class Load:
    """A load under way."""

    process: subprocess.Popen[str]
    file: Path
    records: list[Record] = field(default_factory=list)
    """What all requests met, once the load has ended."""

    def wait(self) -> None:
        """Wait until a load with an end of its own has ended."""
        self.process.wait()


@contextmanager
def running_load(plan: LoadPlan, file: Path) -> Iterator[Load]:
    """Ask while the block runs, then wait for the answers that are outstanding."""
    process = subprocess.Popen([sys.executable, __file__, str(file)], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    load = Load(process, file)
    try:
        process.stdin.write(json.dumps(asdict(plan)) + "\n")
        process.stdin.flush()
        yield load
        process.stdin.close()
        if process.wait() != 0:
            raise SystemExit(f"the load ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    load.records = sorted((Record(**json.loads(line)) for line in file.open()), key=lambda record: record.number)


async def drive(plan: LoadPlan, file: Path, told_to_stop: asyncio.Event) -> None:
    """Send what the plan says and write the records."""
    chance = random.Random(0)
    numbers = _numbers(plan.requests)
    end = None if plan.duration_s is None else time.monotonic() + plan.duration_s
    timeout = aiohttp.ClientTimeout(total=plan.timeout_s)

    def over() -> bool:
        return told_to_stop.is_set() or (end is not None and time.monotonic() >= end)

    # A connection a request: one that a dead proxy left behind would be taken for a failure of the next request.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    with file.open("w") as lines:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

            async def one(number: int) -> None:
                position = number % len(plan.questions)
                record = Record(number, position, f"load-{uuid.uuid4().hex}", time.time())
                leave_after = chance.expovariate(1 / 0.5) if chance.random() < plan.leaving else None
                await ask(session, plan, plan.questions[position], record, leave_after)
                lines.write(json.dumps(asdict(record)) + "\n")

            if plan.concurrency is not None:

                async def client() -> None:
                    while not over() and (number := next(numbers, None)) is not None:
                        await one(number)

                await asyncio.gather(*(client() for _ in range(plan.concurrency)))
                return
            assert plan.rate is not None
            due = time.monotonic()
            async with asyncio.TaskGroup() as group:
                while not over() and (number := next(numbers, None)) is not None:
                    group.create_task(one(number))
                    due += 1 / plan.rate
                    await asyncio.sleep(max(due - time.monotonic(), 0))


def _numbers(limit: int | None) -> Iterator[int]:
    """0, 1, 2 and so on, up to `limit` numbers."""
    number = 0
    while limit is None or number < limit:
        yield number
        number += 1


async def ask(
    session: aiohttp.ClientSession,
    plan: LoadPlan,
    question: dict[str, Any],
    record: Record,
    leave_after: float | None,
) -> None:
    """Send one request and note what it meets."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(leave_after):
            if plan.official and not question["body"]["stream"]:
                await _ask_officially(plan, question, record)
            else:
                await _ask(session, plan, question, record, started)
    except TimeoutError as error:
        # aiohttp's own time limit is one of these too.
        record.ending = "left" if leave_after is not None else "timeout"
        record.error = str(error)
    except aiohttp.ClientConnectorError as error:
        record.ending, record.error = "unreachable", str(error)
    except aiohttp.ServerDisconnectedError as error:
        record.ending, record.error = "cut", str(error)
    except (aiohttp.ClientError, ConnectionError) as error:
        if record.ending != "whole":  # all that was promised had come
            record.ending, record.error = "cut", f"{type(error).__name__}: {error}"
    record.total = time.perf_counter() - started


async def _ask(
    session: aiohttp.ClientSession, plan: LoadPlan, question: dict[str, Any], record: Record, started: float
) -> None:
    url = f"{plan.url}/{question['route']}"
    async with session.post(url, json=question["body"], headers={"x-request-id": record.request_id}) as response:
        record.status = response.status
        if response.status != 200:
            record.ending = "shed" if response.status == 429 else "error"
            record.retry_after = response.headers.get("retry-after")
            record.error = (await response.text())[:500]
        elif question["body"]["stream"]:
            await _read_stream(question["route"], response, record, started)
        else:
            record.answer = whole_answer(question["route"], await response.json())
            record.ending = "whole"


async def _read_stream(route: str, response: aiohttp.ClientResponse, record: Record, started: float) -> None:
    streamed = StreamedAnswer(route)
    last = started
    buffer = b""
    try:
        async for piece in response.content.iter_any():
            now = time.perf_counter()
            record.first = record.first if record.first is not None else now - started
            record.longest_gap, last = max(record.longest_gap, now - last), now
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                streamed.line(line.decode())
    finally:
        record.answer, record.error, record.ending = streamed.answer, streamed.error, streamed.ending
    if record.ending in ("open", "broken rule"):
        record.error = f"{record.ending} after {streamed.events} events: {streamed.error}"
        record.ending = "silent"


async def _ask_officially(plan: LoadPlan, question: dict[str, Any], record: Record) -> None:
    import openai

    body = dict(question["body"])
    extra = {"seed": body.pop("seed")} if question["route"] == "responses" else {}
    async with openai.AsyncOpenAI(base_url=plan.url, api_key="unused", max_retries=2, timeout=plan.timeout_s) as client:
        resource: Any = client.responses if question["route"] == "responses" else client.chat.completions
        try:
            raw = await resource.with_raw_response.create(
                **body, extra_body=extra, extra_headers={"x-request-id": record.request_id}
            )
        except openai.APIStatusError as error:
            record.status, record.error = error.status_code, str(error)[:500]
            record.ending = "shed" if error.status_code == 429 else "error"
        except openai.APITimeoutError as error:
            record.ending, record.error = "timeout", str(error)
        except openai.APIConnectionError as error:
            record.ending, record.error = "unreachable", repr(error.__cause__)
        else:
            record.status, record.retries = raw.status_code, raw.retries_taken
            record.answer = whole_answer(question["route"], json.loads(raw.content))
            record.ending = "whole"


async def main() -> None:
    """Read the plan from standard input; its end is the sign to stop."""
    plan = LoadPlan(**json.loads(sys.stdin.readline()))
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        sys.stdin.read()
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(told_to_stop.set)

    threading.Thread(target=listen, daemon=True).start()
    await drive(plan, Path(sys.argv[1]), told_to_stop)


if __name__ == "__main__":
    asyncio.run(main())

import asyncio
import itertools
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr

from octupus.endpoint.backoff import backoff_s, retry_after_s
from octupus.endpoint.client import EndpointClient
from octupus.endpoint.config import EndpointConfig, SamplingConfig
from octupus.endpoint.outcome import Answer, Failure, Outcome

from ..teacher_server import Reply, TeacherServer, answer_to

PROMPT = [{"role": "user", "content": "Question"}]


def ask(
    teacher: TeacherServer, key: str = "", sampling: SamplingConfig | None = None, tools: Any = (), **changes: Any
) -> Outcome:
    values = {"base_url": teacher.base_url, "max_attempts": 4, "backoff_base_s": 0.01, "timeout_s": 5} | changes

    async def once() -> Outcome:
        asked = EndpointClient(
            "m",
            sampling or SamplingConfig(),
            EndpointConfig.model_validate(values),
            SecretStr(key) if key else None,
        )
        return await asked.ask(PROMPT, list(tools))

    return asyncio.run(once())


def test_an_answer_with_its_tokens(teacher: TeacherServer) -> None:
    assert ask(teacher) == Answer(content=answer_to(PROMPT), tokens_in=10, tokens_out=5)


def test_what_is_sent(teacher: TeacherServer) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    sampling = SamplingConfig(temperature=0, seed=3, max_tokens=9)
    ask(teacher, key="secret", sampling=sampling, tools=tools, extra_body={"top_k": 4})
    sent = {"model": "m", "messages": PROMPT, "temperature": 0, "seed": 3, "max_tokens": 9, "top_k": 4, "tools": tools}
    assert teacher.requests == [sent]
    assert teacher.authorization == ["Bearer secret"]


def test_tool_calls_are_taken_as_they_come(teacher: TeacherServer) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    teacher.scripts["Question"] = [Reply(message=message, finish_reason="tool_calls")]
    answer = ask(teacher)
    assert isinstance(answer, Answer)
    assert [value.model_dump() for value in answer.tool_calls] == [call]
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("faults", "retries"),
    [
        ([Reply(429), Reply(500), Reply(503)], {"status_429": 1, "status_500": 1, "status_503": 1}),
        ([Reply(delay_s=0.6), Reply(delay_s=0.6)], {"timeout": 2}),
    ],
)
def test_what_fails_for_the_moment_is_sent_again(
    teacher: TeacherServer, faults: list[Reply], retries: dict[str, int]
) -> None:
    teacher.scripts["Question"] = faults
    answer = ask(teacher, timeout_s=0.3)
    assert isinstance(answer, Answer)
    assert answer.retries == retries
    assert len(teacher.requests) == sum(retries.values()) + 1


def test_retry_after_is_honoured(teacher: TeacherServer) -> None:
    teacher.scripts["Question"] = [Reply(429, headers={"Retry-After": "0.4"})]
    assert isinstance(ask(teacher), Answer)
    first, second = teacher.times["Question"]
    assert 0.4 <= second - first < 2


def test_a_retry_after_beyond_the_limit_fails(teacher: TeacherServer) -> None:
    teacher.scripts["Question"] = [Reply(429, headers={"Retry-After": "3600"})]
    started = time.monotonic()
    outcome = ask(teacher, max_retry_after_s=60)
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.final) == ("status_429", False)
    assert time.monotonic() - started < 5


def test_waits_double(teacher: TeacherServer) -> None:
    teacher.always["Question"] = Reply(500)
    outcome = ask(teacher, backoff_base_s=0.1)
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.retries) == ("status_500", {"status_500": 4})
    times = teacher.times["Question"]
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert len(waits) == 3
    for attempt, wait in enumerate(waits):
        assert wait >= 0.05 * 2**attempt


@pytest.mark.parametrize(("status", "final"), [(400, True), (422, True), (401, False), (404, False), (409, False)])
def test_what_is_refused_is_sent_once_and_the_key_is_not_repeated(
    teacher: TeacherServer, status: int, final: bool
) -> None:
    teacher.always["Question"] = Reply(status)
    outcome = ask(teacher, key="very-secret")
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.final, outcome.retries) == (f"status_{status}", final, {})
    assert len(teacher.requests) == 1
    assert "very-secret" not in outcome.detail
    assert "***" in outcome.detail


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>busy</html>", "text/html"),
        (b"{not json", "application/json"),
        (b"{}", "application/json"),
        (b'{"choices": []}', "application/json"),
        (b'{"choices": [{"index": 0, "message": null}]}', "application/json"),
        (b'{"choices": [{"index": 0, "message": {"content": 5}}]}', "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
    ],
)
def test_what_is_no_completion_fails(teacher: TeacherServer, body: bytes, content_type: str) -> None:
    teacher.always["Question"] = Reply(body=body, headers={"Content-Type": content_type})
    outcome = ask(teacher)
    assert isinstance(outcome, Failure)
    assert outcome.reason == "malformed_answer"
    assert not outcome.final


def test_nobody_there(teacher: TeacherServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        outcome = ask(teacher, base_url=url, max_attempts=2)
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.final, outcome.retries) == ("connection", False, {"connection": 2})


def test_backoff() -> None:
    for attempt, most in enumerate((1, 2, 4, 8, 10, 10)):
        assert most / 2 <= backoff_s(attempt, 1.0, 10.0) <= most
    assert backoff_s(5000, 1.0, 10.0) <= 10
    assert backoff_s(3, 0.0, 10.0) == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "-7"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_retry_after_a_date() -> None:
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after_s({"retry-after": date}, now) == 90
    assert retry_after_s({"retry-after": date}, now + timedelta(hours=1)) == 0

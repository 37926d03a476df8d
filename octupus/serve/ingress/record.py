"""What is known of one request: routes fill it in, the edge makes a log line and metrics of it at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from octupus.serve.ingress.trace_context import TraceContext

AdmissionOutcome = Literal["enforced", "checked", "refused"]
"""Whether masks hold every schema of the request, some are checked afterwards, or one cannot be had at all."""

CLIENT_CLOSED_REQUEST = 499
"""What is logged where the client went before its answer was whole (nginx's number; no client sees it)."""


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SHED = "shed"
    UNAUTHORISED = "unauthorised"
    ABORTED = "aborted"
    """By the client, which closed its connection."""
    TIMED_OUT = "timed_out"
    FAILED = "failed"


@dataclass(slots=True)
class RequestRecord:
    """One request. Times are seconds of a clock that only goes forward, as `time.monotonic` gives them."""

    request_id: str
    """The client's x-request-id where it is valid, else one made here. A client may use one twice."""
    method: str = ""
    route: str = "other"
    """A route's template without `/v1`, never a path as it was sent."""
    key_id: str | None = None
    """A short hash of the API key."""
    trace: TraceContext = field(default_factory=TraceContext)
    status: int | None = None
    """Of the answer as it was sent, once it has begun."""
    outcome: Outcome | None = None
    """None until the end, where it follows from the status, unless the route knows better."""
    response_id: str | None = None
    """The `id` of the answer."""
    model: str | None = None
    adapter: str | None = None
    stream: bool = False
    choices: int = 1
    """Answers asked for (`n`)."""
    tools: int = 0
    admission: AdmissionOutcome | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    calls: int = 0
    finish_reasons: list[str] = field(default_factory=list)
    failovers: int = 0
    invalid_calls: int = 0
    """Constrained calls that did not fit their schema."""
    texts: dict[str, Any] | None = None
    """Prompts and answers, filled in only where `observability.log_prompts` is set."""
    received_at: float = field(default_factory=time.time)
    """Seconds since 1970."""
    received: float = field(default_factory=time.monotonic)
    admitted: float | None = None
    """When it was handed to an engine."""
    first_token: float | None = None
    last_token: float | None = None
    ended: float | None = None

    def admit(self) -> None:
        """Note that the request goes to an engine now; a failover does not count again."""
        if self.admitted is None:
            self.admitted = time.monotonic()

    def tokens_came(self) -> None:
        """Note that newly generated tokens are here."""
        self.last_token = time.monotonic()
        if self.first_token is None:
            self.first_token = self.last_token

    def end(self) -> None:
        """Note that the answer is over."""
        self.ended = time.monotonic()

    @property
    def queue_s(self) -> float | None:
        """From the request's arrival until an engine was given it."""
        return None if self.admitted is None else self.admitted - self.received

    @property
    def ttft_s(self) -> float | None:
        """Time to first token, from the request's arrival."""
        return None if self.first_token is None else self.first_token - self.received

    @property
    def tpot_s(self) -> float | None:
        """Time per output token after the first, of answers generated side by side."""
        steps = self.completion_tokens / self.choices - 1
        if self.first_token is None or self.last_token is None or steps <= 0:
            return None
        return (self.last_token - self.first_token) / steps

    @property
    def total_s(self) -> float | None:
        """From the request's arrival to the last byte of its answer."""
        return None if self.ended is None else self.ended - self.received

    @property
    def logged_status(self) -> int | None:
        """The status for people: 499 where the client went, whatever had been sent."""
        return CLIENT_CLOSED_REQUEST if self.outcome is Outcome.ABORTED else self.status

    def trace_headers(self) -> dict[str, str]:
        """W3C headers for requests made on behalf of this one."""
        return self.trace.headers()


def outcome_of_status(status: int) -> Outcome:
    """How a request ended that was answered with this status."""
    special = {
        401: Outcome.UNAUTHORISED,
        408: Outcome.TIMED_OUT,
        429: Outcome.SHED,
        CLIENT_CLOSED_REQUEST: Outcome.ABORTED,
    }
    if status in special:
        return special[status]
    if status >= 500:
        return Outcome.FAILED
    return Outcome.REFUSED if status >= 400 else Outcome.ANSWERED


def record_of(scope: Mapping[str, Any]) -> RequestRecord:
    """The record of a request that came through the edge: `record_of(request.scope)`."""
    record = scope["state"]["record"]
    assert isinstance(record, RequestRecord)
    return record

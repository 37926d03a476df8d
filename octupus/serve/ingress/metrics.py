"""Metrics of the ingress, through Ray to Prometheus, where each name begins with `ray_`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from ray.util.metrics import Counter, Gauge, Histogram

from octupus.serve.ingress.record import Outcome, RequestRecord

EXPORT_PREFIX = "ray_"
"""What Ray puts before every name."""

_SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_S = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5)
_LONG_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)


@dataclass(frozen=True)
class Definition:
    """One metric. Each bears the label `model` too, the one configured, so that applications can be told apart."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()


DEFINITIONS = (
    Definition("octupus_requests_total", "counter", "Requests that ended.", ("route", "status", "outcome")),
    Definition("octupus_queue_seconds", "histogram", "From arrival to an engine.", ("route",), _SHORT_S),
    Definition("octupus_ttft_seconds", "histogram", "From arrival to the first token.", ("route",), _SHORT_S),
    Definition("octupus_tpot_seconds", "histogram", "Time per output token after the first.", ("route",), _TOKEN_S),
    Definition("octupus_request_seconds", "histogram", "From arrival to the last byte.", ("route",), _LONG_S),
    Definition("octupus_prompt_tokens_total", "counter", "Tokens of prompts."),
    Definition("octupus_completion_tokens_total", "counter", "Tokens generated."),
    Definition("octupus_cached_tokens_total", "counter", "Tokens of prompts found in the prefix cache."),
    Definition("octupus_active_requests", "gauge", "Requests being answered."),
    Definition("octupus_aborted_total", "counter", "Requests whose client went before the end."),
    Definition("octupus_shed_total", "counter", "Requests turned away because too many were being answered."),
    Definition("octupus_failovers_total", "counter", "Answers continued on another replica."),
    Definition("octupus_admission_total", "counter", "Requests by what admission found.", ("outcome",)),
    Definition("octupus_invalid_tool_calls_total", "counter", "Constrained calls that broke their schema; stays 0."),
)


class Instrument(Protocol):
    """Takes the values of one metric."""

    def __call__(self, value: float, **labels: str) -> None:
        """Count by `value`, or observe it, or set it."""


class Metrics:
    """What is counted of requests. Values of labels come from fixed sets, never from clients."""

    def __init__(self, model: str, make: Callable[[Definition, str], Instrument] | None = None) -> None:
        make = make or ray_instrument
        self._instruments = {definition.name: make(definition, model) for definition in DEFINITIONS}

    def active(self, count: int) -> None:
        """How many requests are being answered now."""
        self._instruments["octupus_active_requests"](count)

    def ended(self, record: RequestRecord) -> None:
        """Count a request that is over."""
        outcome = record.outcome or Outcome.FAILED
        labels = {"route": record.route, "status": str(record.logged_status or 500), "outcome": str(outcome)}
        self._instruments["octupus_requests_total"](1, **labels)
        for name, seconds in (
            ("octupus_queue_seconds", record.queue_s),
            ("octupus_ttft_seconds", record.ttft_s),
            ("octupus_tpot_seconds", record.tpot_s),
            ("octupus_request_seconds", record.total_s),
        ):
            if seconds is not None:
                self._instruments[name](seconds, route=record.route)
        for name, count in (
            ("octupus_prompt_tokens_total", record.prompt_tokens),
            ("octupus_completion_tokens_total", record.completion_tokens),
            ("octupus_cached_tokens_total", record.cached_tokens),
            ("octupus_aborted_total", int(outcome is Outcome.ABORTED)),
            ("octupus_shed_total", int(outcome is Outcome.SHED)),
            ("octupus_failovers_total", record.failovers),
            ("octupus_invalid_tool_calls_total", record.invalid_calls),
        ):
            if count > 0:
                self._instruments[name](count)
        if record.admission is not None:
            self._instruments["octupus_admission_total"](1, outcome=record.admission)


def ray_instrument(definition: Definition, model: str) -> Instrument:
    """The metric in this Ray worker, exported by its node a few seconds after it changes."""
    keys = (*definition.labels, "model")
    default = {"model": model}
    if definition.kind == "histogram":
        histogram = Histogram(definition.name, definition.description, list(definition.boundaries), keys)
        histogram.set_default_tags(default)
        return lambda value, **labels: histogram.observe(value, labels)
    if definition.kind == "gauge":
        gauge = Gauge(definition.name, definition.description, keys)
        gauge.set_default_tags(default)
        return lambda value, **labels: gauge.set(value, labels)
    counter = Counter(definition.name, definition.description, keys)
    counter.set_default_tags(default)
    return lambda value, **labels: counter.inc(value, labels)

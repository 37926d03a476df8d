"""The access log: one JSON line a request, with ids, counts and times, and without text unless that is asked for."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from octupus.serve.config import ObservabilityConfig
from octupus.serve.ingress.record import RequestRecord

LOGGER_NAME = "octupus.access"

_MAX_NAME = 200
"""Characters that are logged of a name which a client made up."""

logger = logging.getLogger(LOGGER_NAME)


class AccessLog:
    """Writes the lines that a configuration asks for."""

    def __init__(self, config: ObservabilityConfig) -> None:
        self._on = config.access_log
        self._texts = config.log_prompts

    def write(self, record: RequestRecord) -> None:
        """Log a request that is over."""
        if self._on:
            logger.info("%s", access_line(record, self._texts))


def configure_access_log() -> None:
    """Send the lines to standard error as they are, without the time and name that other events bear."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def access_line(record: RequestRecord, texts: bool = False) -> str:
    """The record as one line of JSON in ASCII, without what is unknown or zero."""
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.received_at, UTC).isoformat(timespec="milliseconds"),
        "request_id": record.request_id,
        "response_id": record.response_id,
        "trace_id": record.trace.trace_id,
        "key_id": record.key_id,
        "method": record.method[:_MAX_NAME],
        "route": record.route,
        "status": record.logged_status,
        "outcome": record.outcome,
        "model": record.model and record.model[:_MAX_NAME],
        "adapter": record.adapter and record.adapter[:_MAX_NAME],
        "stream": record.stream,
        "n": record.choices if record.choices != 1 else None,
        "tools": record.tools,
        "admission": record.admission,
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "cached_tokens": record.cached_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "calls": record.calls,
        "invalid_calls": record.invalid_calls,
        "finish_reasons": record.finish_reasons,
        "failovers": record.failovers,
        "queue_s": _rounded(record.queue_s),
        "ttft_s": _rounded(record.ttft_s),
        "tpot_s": _rounded(record.tpot_s),
        "total_s": _rounded(record.total_s),
    }
    if texts:
        fields["texts"] = record.texts
    kept = {name: value for name, value in fields.items() if value}
    # ASCII, so that neither a line break nor half a surrogate pair can break the line; `str` for what JSON has not.
    return json.dumps(kept, ensure_ascii=True, default=str)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)

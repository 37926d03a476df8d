"""One OpenTelemetry span a request, where OpenTelemetry is installed and configured; it holds counts and no text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from octupus.serve.ingress.record import Outcome, RequestRecord
from octupus.serve.ingress.trace_context import TraceContext

try:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

_OPERATIONS = {"/chat/completions": "chat", "/responses": "chat", "/completions": "text_completion"}


@contextmanager
def request_span(record: RequestRecord, provider: trace.TracerProvider | None = None) -> Iterator[None]:
    """A span while the block runs, below Serve's own or else the client's; `record.trace` becomes the span's.

    `provider` is OpenTelemetry's global one unless another is given.
    """
    if not INSTALLED:
        yield
        return
    above = trace.get_current_span().get_span_context()
    parent = None if above.is_valid else TraceContextTextMapPropagator().extract(record.trace.headers())
    with trace.get_tracer("octupus.serve", tracer_provider=provider).start_as_current_span(
        f"{record.method} {record.route}",
        context=parent,
        kind=trace.SpanKind.SERVER,
        # An exception's text may quote a prompt.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        if not span.is_recording():
            yield
            return
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        record.trace = TraceContext(carrier.get("traceparent"), carrier.get("tracestate"))
        try:
            yield
        finally:
            span.set_attributes(attributes_of(record))
            if record.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}:
                span.set_status(trace.StatusCode.ERROR)


def attributes_of(record: RequestRecord) -> dict[str, Any]:
    """The record under the names of OpenTelemetry's semantic conventions for HTTP and generative AI."""
    attributes: dict[str, Any] = {
        "http.request.method": record.method,
        "http.route": record.route,
        "http.response.status_code": record.logged_status,
        "octupus.outcome": record.outcome and str(record.outcome),
        "octupus.request_id": record.request_id,
    }
    operation = _OPERATIONS.get(record.route)
    if operation is not None:
        attributes |= {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "octupus",
            "gen_ai.request.model": record.model,
            "gen_ai.request.choice.count": record.choices if record.choices != 1 else None,
            "gen_ai.request.stream": record.stream,
            "gen_ai.response.id": record.response_id,
            "gen_ai.response.finish_reasons": record.finish_reasons or None,
            "gen_ai.response.time_to_first_chunk": record.ttft_s,
            "gen_ai.usage.input_tokens": record.prompt_tokens,
            "gen_ai.usage.output_tokens": record.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
            "gen_ai.usage.reasoning.output_tokens": record.reasoning_tokens,
        }
    return {name: value for name, value in attributes.items() if value is not None}

"""Spans: below the client's, with counts, without text, and nothing where OpenTelemetry is not configured."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import StatusCode

from octupus.serve.ingress.record import Outcome, RequestRecord
from octupus.serve.ingress.spans import attributes_of, request_span
from octupus.serve.ingress.trace_context import TraceContext

CLIENT = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1")


def test_a_span_stands_below_the_clients_and_tells_counts_but_no_text() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    record = RequestRecord("id", method="POST", route="/responses", trace=CLIENT, texts={"prompt": "SECRET"})
    record.model, record.prompt_tokens, record.outcome = "m", 7, Outcome.FAILED
    with pytest.raises(KeyError), request_span(record, provider):
        raise KeyError("SECRET")
    (span,) = exporter.get_finished_spans()
    assert span.parent is not None
    assert span.context is not None
    assert format(span.parent.span_id, "016x") == "b7ad6b7169203331"
    passed_on = record.trace_headers()
    assert passed_on["traceparent"] == f"00-{CLIENT.trace_id}-{span.context.span_id:016x}-01"
    assert passed_on["tracestate"] == "a=1"
    assert span.attributes is not None
    assert span.attributes["gen_ai.usage.input_tokens"] == 7
    assert span.status.status_code is StatusCode.ERROR
    assert "SECRET" not in span.to_json()


def test_without_configuration_the_clients_context_is_passed_on() -> None:
    record = RequestRecord("id", trace=CLIENT)
    with request_span(record):
        pass
    assert record.trace_headers() == {"traceparent": CLIENT.parent, "tracestate": "a=1"}


def test_names_are_those_of_the_conventions() -> None:
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    record = RequestRecord("id", route="/completions", choices=2, model="m", response_id="r", finish_reasons=["stop"])
    record.first_token = record.received
    names = {name for name in attributes_of(record) if name.startswith("gen_ai.")}
    assert len(names) == 12
    assert names <= known

"""W3C Trace Context, held against OpenTelemetry's own reader."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from octupus.serve.ingress.trace_context import MAX_TRACE_STATE, TraceContext, trace_context_of

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEX = st.text("0123456789abcdef", min_size=1, max_size=34) | st.just("0" * 16) | st.just("0" * 32)
PARENTS = st.lists(HEX, min_size=3, max_size=5).map("-".join) | st.text(st.characters(max_codepoint=255))


@settings(deadline=None)
@given(PARENTS | st.sampled_from([GOOD, GOOD.upper(), GOOD + "-x", "cc" + GOOD[2:] + "-x", "ff" + GOOD[2:], GOOD[:-1]]))
@example(GOOD)
@example("00-" + "0" * 32 + "-b7ad6b7169203331-01")
def test_what_is_kept_is_what_opentelemetry_reads(parent: str) -> None:
    context = TraceContextTextMapPropagator().extract({"traceparent": parent})
    expected = trace.get_current_span(context).get_span_context()
    found = trace_context_of([(b"traceparent", parent.encode("latin-1"))])
    if found.trace_id is not None:
        assert found.trace_id == format(expected.trace_id, "032x")
        assert found.headers() == {"traceparent": parent.strip()}
    if parent == GOOD:
        assert found.parent == GOOD


@settings(deadline=None)
@given(st.lists(st.binary(max_size=700), max_size=3))
def test_state_goes_along_only_with_a_valid_parent_and_only_as_a_header(states: list[bytes]) -> None:
    headers = [(b"tracestate", value) for value in states]
    assert trace_context_of(headers) == TraceContext()
    state = trace_context_of([(b"traceparent", GOOD.encode()), *headers]).state
    assert state is None or (state.isascii() and state.isprintable() and len(state) <= MAX_TRACE_STATE)


def test_several_states_are_one_list_and_several_parents_none() -> None:
    parent = (b"traceparent", GOOD.encode())
    context = trace_context_of([parent, (b"tracestate", b"a=1"), (b"tracestate", b"b=2")])
    assert context.headers() == {"traceparent": GOOD, "tracestate": "a=1,b=2"}
    assert trace_context_of([parent, parent]) == TraceContext()

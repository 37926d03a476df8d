"""The bound holds whatever the network does."""

from hypothesis import given
from hypothesis import strategies as st

from octupus.nodes.clock import ClockOffset, best, clock_offset

_SECONDS = st.floats(0, 1000)


@given(st.floats(-1e5, 1e5), _SECONDS, _SECONDS, _SECONDS)
def test_the_true_offset_lies_within_the_error(offset: float, there: float, work: float, back: float) -> None:
    sent = 1_000_000.0
    arrived = sent + there + offset
    left = arrived + work
    found = clock_offset(sent, arrived, left, left - offset + back)
    assert abs(found.offset_s - offset) <= found.error_s + 1e-6
    assert found.least_s <= abs(offset) + 1e-6


def test_the_quickest_exchange_counts() -> None:
    samples = [ClockOffset(5.0, 2.0), ClockOffset(1.0, 0.1), ClockOffset(3.0, 1.0)]
    assert best(samples) == samples[1]
    assert best([]) is None

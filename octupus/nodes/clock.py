"""How far another machine's clock is from this one's, with the bound of what can be known.

The on-wire protocol of NTP (RFC 5905, section 8): a request leaves at T1 and an answer comes back at T4 by this clock;
it arrives at T2 and leaves at T3 by the other. Then offset = ((T2 - T1) + (T3 - T4)) / 2 and delay = (T4 - T1) -
(T3 - T2), and the true offset lies within delay / 2 of it. Of several samples the one of least delay counts
(section 10).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ClockOffset:
    """Seconds by which the other clock is ahead; negative when it is behind."""

    offset_s: float
    error_s: float
    """The true offset is within this of `offset_s`."""

    @property
    def least_s(self) -> float:
        """The least distance between the clocks that the sample proves."""
        return max(abs(self.offset_s) - self.error_s, 0.0)


def clock_offset(sent: float, arrived: float, left: float, received: float) -> ClockOffset:
    """Offset by one exchange: `sent` and `received` by this clock, `arrived` and `left` by the other."""
    delay = (received - sent) - (left - arrived)
    return ClockOffset(((arrived - sent) + (left - received)) / 2, abs(delay) / 2)


def best(samples: Iterable[ClockOffset]) -> ClockOffset | None:
    """The sample that knows most; None without any."""
    return min(samples, key=lambda sample: sample.error_s, default=None)

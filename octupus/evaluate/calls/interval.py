"""A share and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

NORMAL_975 = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of n. `interval` bounds the share with 95 % confidence; without any n there is neither."""

    count: int
    n: int

    @property
    def share(self) -> float | None:
        """The share, from 0 to 1."""
        return self.count / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's score interval without continuity correction.

        E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.
        """
        if not self.n:
            return None
        z2 = NORMAL_975**2
        p = self.count / self.n
        centre = (p + z2 / (2 * self.n)) / (1 + z2 / self.n)
        half = NORMAL_975 / (1 + z2 / self.n) * sqrt(p * (1 - p) / self.n + z2 / (4 * self.n**2))
        # At the ends the formula gives 0 and 1, but for rounding.
        low = 0.0 if self.count == 0 else centre - half
        high = 1.0 if self.count == self.n else centre + half
        return low, high

    def to_json(self) -> dict[str, object]:
        """For calls.json."""
        return {"count": self.count, "n": self.n, "share": self.share, "interval_95": self.interval}

    def __str__(self) -> str:
        if self.share is None or self.interval is None:
            return "-"
        return f"{self.share:.1%} [{self.interval[0]:.1%}, {self.interval[1]:.1%}]"

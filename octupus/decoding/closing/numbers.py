"""Numbers within bounds: how a number that was begun is ended."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

_FREE_CANDIDATES = ("", "0", "1")
_LONGEST_EXPONENT = 3


class NumberRange:
    """The numbers that an integer or number schema admits.

    `farthest` is the most characters that any prefix of one needs. Without bounds a digit is all. Otherwise, let I be
    the digits before the point of the larger bound, S those behind it, and M those of `multipleOf` on both sides. A
    live prefix stands for an interval of numbers; I + 1 digits reach the bound's magnitude, a point and S + 1 digits
    tell the interval from the bound, and among 10 to the power M successive numbers there is a multiple.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.integer = schema["type"] == "integer"
        self.step = exact(schema["multipleOf"]) if "multipleOf" in schema else None
        self.low, self.low_open = _bound(schema, "minimum", "exclusiveMinimum", max)
        self.high, self.high_open = _bound(schema, "maximum", "exclusiveMaximum", min)
        # JSON numbers have finitely many decimals; a step has those of its own.
        self._decimals = 0 if self.step is None else _decimals(self.step)
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        self.bounded = bool(bounds) or self.step is not None
        self.farthest = 1
        if self.bounded:
            digits = max((len(str(abs(floor(bound)))) for bound in bounds), default=1)
            decimals = max((_decimals(bound) for bound in bounds), default=0)
            multiple = 0 if self.step is None else len(str(ceil(self.step))) + self._decimals
            self.farthest = digits + decimals + multiple + 4
            # More of either kind are never needed, so that endings of far bounds are found in few trials.
            self._most_digits = digits + len(str(ceil(self.step or 1))) + 1
            self._most_decimals = 0 if self.integer else decimals + self._decimals + 1

    def admits(self, number: Fraction) -> bool:
        """Whether a number is within the bounds and a multiple."""
        if self.low is not None and (number <= self.low if self.low_open else number < self.low):
            return False
        if self.high is not None and (number >= self.high if self.high_open else number > self.high):
            return False
        if self.integer and number.denominator != 1:
            return False
        return self.step is None or (number / self.step).denominator == 1

    def accepts(self, text: str) -> bool:
        """Whether the text is a number that is admitted, as far as is cheap to tell."""
        if not text[-1:].isdigit():
            return False
        mantissa, _, exponent = text.lower().partition("e")
        if len(exponent.lstrip("+-")) > _LONGEST_EXPONENT:
            return True
        return self.admits(Fraction(Decimal(mantissa)) * Fraction(10) ** int(exponent or 0))

    def smallest(self) -> str | None:
        """A shortest number, one that is not negative where both signs have one as short."""
        found = [sign + rest for sign in ("", "-") for rest in self._first(sign)]
        return min(found, key=len, default=None)

    def endings(self, prefix: str) -> Iterator[str]:
        """What may be written behind `prefix` to end the number, the shortest first."""
        if "e" in prefix.lower() or not self.bounded:
            if prefix[-1:].isdigit():
                yield ""
            yield from _FREE_CANDIDATES[1:]
            return
        negative = prefix.startswith("-")
        whole, point, fraction = prefix.lstrip("-").partition(".")
        ways: set[tuple[int, int, int]] = set()
        for digits in range(self._most_digits + 1):
            if (digits and (point or whole == "0")) or not (whole or digits):
                continue
            # Whoever can end with some decimals can with more, so that the fewest are found by bisection.
            decimals = range(int(bool(point) and not fraction), self._most_decimals + 1)

            def possible(count: int, digits: int = digits) -> bool:
                return self._ending(negative, whole, fraction, digits, count, False) is not None

            fewest = bisect_left(decimals, True, key=possible)
            several = {*decimals[fewest : fewest + 3], self._decimals - len(fraction)}
            ways |= {(digits + count + (count > 0), digits, count) for count in several if count in decimals[fewest:]}
        for _, digits, count in sorted(ways):
            ending = self._ending(negative, whole, fraction, digits, count, not point and count > 0)
            if ending is not None:
                yield ending

    def _first(self, sign: str) -> list[str]:
        for ending in self.endings(sign) if self.bounded else ("0",) * (not sign):
            decimals = len(ending.partition(".")[2])
            # llguidance writes multiples of 0.25 with two decimals, or none.
            if ending and (not decimals or self.step is None or decimals == self._decimals):
                return [ending]
        return []

    def _ending(
        self, negative: bool, whole: str, fraction: str, digits: int, decimals: int, dotted: bool
    ) -> str | None:
        """The digits of the smallest magnitude with so many of them behind the prefix, or None."""
        count = digits + decimals
        scale = 10 ** (len(fraction) + decimals)
        least = int((whole + fraction) or "0") * 10**count
        most = least + 10**count - 1
        if not whole and digits > 1:
            least = 10 ** (count - 1)
        low, low_open, high, high_open = self.low, self.low_open, self.high, self.high_open
        if negative:
            low, low_open, high, high_open = _negative(high), high_open, _negative(low), low_open
        if low is not None:
            least = max(least, floor(low * scale) + 1 if low_open else ceil(low * scale))
        if high is not None:
            most = min(most, ceil(high * scale) - 1 if high_open else floor(high * scale))
        if self.step is not None:
            unit = (self.step * scale).numerator
            least = -(-least // unit) * unit
        if least > most:
            return None
        written = str(least - int((whole + fraction) or "0") * 10**count).zfill(count) if count else ""
        return written[:digits] + ("." if dotted else "") + written[digits:]


def exact(number: float) -> Fraction:
    """A JSON number without the rounding of its binary form."""
    return Fraction(Decimal(repr(number))) if isinstance(number, float) else Fraction(number)


def number_text(number: float) -> str:
    """A number in the shortest digits without an exponent."""
    if isinstance(number, int):
        return str(number)
    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bound(schema: dict[str, Any], closed: str, opened: str, narrower: Any) -> tuple[Fraction | None, bool]:
    found = [(exact(schema[name]), name == opened) for name in (closed, opened) if name in schema]
    if not found:
        return None, False
    bound = narrower(value for value, _ in found)
    return bound, (bound, True) in found


def _negative(number: Fraction | None) -> Fraction | None:
    return None if number is None else -number


def _decimals(number: Fraction) -> int:
    """Digits behind the point. The denominator divides a power of ten."""
    count, scale = 0, 1
    while scale % number.denominator:
        count, scale = count + 1, scale * 10
    return count

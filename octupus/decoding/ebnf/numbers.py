"""Numbers between bounds, digit by digit.

Bounds are met exactly although readers turn numbers into doubles: rounding to a double never crosses a double, and a
bounded number has so few digits that it never rounds onto a bound it may not touch.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from octupus.decoding.ebnf.rules import Inexpressible, either, literal, repeated

INTEGER_DIGITS = 20
"""Python reads integers of at most 4,300 digits, and 20 hold any that programs exchange."""
_EXACT_DIGITS = 15
"""Decimals of up to 15 digits stay apart from each other as doubles (IEEE 754 binary64)."""
_MOST_MULTIPLES = 1000
_DIGIT = "[0-9]"
_LARGEST = 10**INTEGER_DIGITS - 1

# An exponent of at most 279 behind 20 digits stays below the largest double, 1.8e308.
FREE_NUMBER = (
    f'"-"? ("0" | [1-9] {_DIGIT}{{0,{INTEGER_DIGITS - 1}}}) ("." {_DIGIT}+)? '
    f'([eE] [+\\-]? ({_DIGIT}{{1,2}} | "1" {_DIGIT} {_DIGIT} | "2" [0-7] {_DIGIT}))?'
)


def integer(schema: Mapping[str, Any]) -> str:
    """Integers that `minimum`, `maximum` and `multipleOf` admit. Raises Inexpressible."""
    minimum, maximum = schema.get("minimum"), schema.get("maximum")
    low = _rounded(minimum, ROUND_CEILING) if minimum is not None else -_LARGEST
    high = _rounded(maximum, ROUND_FLOOR) if maximum is not None else _LARGEST
    if max(abs(low), abs(high)) > _LARGEST:
        raise Inexpressible("minimum" if abs(low) > _LARGEST else "maximum", f"beyond {INTEGER_DIGITS} digits")
    if low > high:
        raise Inexpressible("maximum", "no integer lies between the bounds")
    if "multipleOf" in schema:
        return _multiples(schema["multipleOf"], low, high)
    return _signed(low, high)


def number(schema: Mapping[str, Any]) -> str:
    """Numbers that the four bounds admit. Raises Inexpressible."""
    if "multipleOf" in schema:
        raise Inexpressible("multipleOf", "multiples of a fraction are not exact in binary floating point")
    bounds = {
        keyword: Decimal(repr(schema[keyword]))
        for keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
        if keyword in schema
    }
    if not bounds:
        return FREE_NUMBER
    places = _EXACT_DIGITS - max(len(str(abs(int(bound)))) for bound in bounds.values())
    if places < 1:
        raise Inexpressible(next(iter(bounds)), "the bound has too many digits")
    lows = [-(10 ** (_EXACT_DIGITS + places)) + 1]
    highs = [10 ** (_EXACT_DIGITS + places) - 1]
    for keyword, bound in bounds.items():
        scaled = bound.scaleb(places)
        rounding = ROUND_CEILING if "inimum" in keyword else ROUND_FLOOR
        whole = int(scaled.to_integral_value(rounding))
        if keyword.startswith("exclusive") and whole == scaled:
            whole += 1 if rounding is ROUND_CEILING else -1
        (lows if rounding is ROUND_CEILING else highs).append(whole)
    low, high = max(lows), min(highs)
    if low > high:
        raise Inexpressible(next(iter(bounds)), f"no number of {places} decimal places lies between the bounds")
    alternatives = [f'"-" {_decimal(max(0, -high), -low, places)}'] if low < 0 else []
    if high >= 0:
        alternatives.append(_decimal(max(0, low), high, places))
    return either(alternatives)


def _rounded(bound: int | float, rounding: str) -> int:
    return int(Decimal(repr(bound)).to_integral_value(rounding))


def _multiples(multiple: int | float, low: int, high: int) -> str:
    """Multiples of a factor of a power of ten show in the last digits; few others are listed."""
    if multiple != int(multiple) or multiple < 1:
        raise Inexpressible("multipleOf", "only whole numbers are followed")
    step = int(multiple)
    first, last = -(-low // step) * step, high // step * step
    if first > last:
        raise Inexpressible("multipleOf", "no multiple lies between the bounds")
    if (last - first) // step < _MOST_MULTIPLES:
        return either([literal(str(value)) for value in range(first, last + 1, step)])
    places = next((places for places in range(1, 4) if 10**places % step == 0), 0)
    if not places or high != _LARGEST or low not in (-_LARGEST, 0):
        raise Inexpressible("multipleOf", "too many multiples, and their last digits do not tell them")
    endings = either([literal(f"{value:0{places}}") for value in range(0, 10**places, step)])
    small = [literal(str(value)) for value in range(step, 10**places, step)]
    large = f"[1-9] {_DIGIT}{{0,{INTEGER_DIGITS - places - 1}}} {endings}"
    sign = '"-"? ' if low < 0 else ""
    return f'("0" | {sign}({" | ".join([*small, large])}))'


def _signed(low: int, high: int) -> str:
    alternatives = [f'"-" {_between(max(1, -high), -low)}'] if low < 0 else []
    if high >= 0:
        alternatives.append(_between(max(0, low), high))
    return either(alternatives)


def _between(low: int, high: int) -> str:
    """Whole numbers from `low` to `high`, neither negative."""
    alternatives: list[str] = []
    full: list[int] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (length - 1) if length > 1 else 0)
        last = min(high, 10**length - 1)
        if length > 1 and (first, last) == (10 ** (length - 1), 10**length - 1):
            full.append(length - 1)
        else:
            alternatives.append(_same_length(str(first), str(last)))
    if full:
        alternatives.append(f"[1-9] {repeated(_DIGIT, full[0], full[-1])}")
    return either(alternatives)


def _same_length(low: str, high: str) -> str:
    length = len(low)
    if low == high:
        return literal(low)
    if length == 1:
        return f"[{low}-{high}]"
    if low[0] == high[0]:
        return f"{literal(low[0])} {_same_length(low[1:], high[1:])}"
    rest = length - 1
    any_rest = repeated(_DIGIT, rest, rest)
    start, stop = int(low[0]), int(high[0])
    alternatives: list[str] = []
    if low[1:] != "0" * rest:
        alternatives.append(f"{literal(low[0])} {_same_length(low[1:], '9' * rest)}")
        start += 1
    if high[1:] != "9" * rest:
        alternatives.append(f"{literal(high[0])} {_same_length('0' * rest, high[1:])}")
        stop -= 1
    if start <= stop:
        alternatives.append(f"[{start}-{stop}] {any_rest}")
    return either(alternatives)


def _decimal(low: int, high: int, places: int) -> str:
    """Numbers from `low` to `high`, in units of the last of `places` decimal places, neither negative."""
    unit = 10**places
    (first, low_fraction), (last, high_fraction) = divmod(low, unit), divmod(high, unit)
    if first == last:
        return f"{literal(str(first))} {_fraction(low_fraction, high_fraction, places)}"
    alternatives = [
        f"{literal(str(first))} {_fraction(low_fraction, unit - 1, places)}",
        f"{literal(str(last))} {_fraction(0, high_fraction, places)}",
    ]
    if last - first > 1:
        alternatives.append(f"{_between(first + 1, last - 1)} {_fraction(0, unit - 1, places)}")
    return either(alternatives)


def _fraction(low: int, high: int, places: int) -> str:
    digits = f'"." {_places(f"{low:0{places}}", f"{high:0{places}}", optional=False)}'
    return f"({digits})?" if low == 0 else digits


def _places(low: str, high: str, optional: bool = True) -> str:
    """Decimal places which, filled with zeros, lie between two texts of digits; with `optional`, none may do too."""
    length = len(low)
    is_zero = low == "0" * length
    if is_zero and high == "9" * length:
        return repeated(_DIGIT, 0 if optional else 1, length)
    alternatives = ['""'] if optional and is_zero else []
    if low[0] == high[0]:
        alternatives.append(f"{literal(low[0])} {_places(low[1:], high[1:])}")
    else:
        alternatives.append(f"{literal(low[0])} {_places(low[1:], '9' * (length - 1))}")
        alternatives.append(f"{literal(high[0])} {_places('0' * (length - 1), high[1:])}")
        if int(high[0]) - int(low[0]) > 1:
            alternatives.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}] {repeated(_DIGIT, 0, length - 1)}")
    return either(alternatives)

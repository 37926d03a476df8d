"""Arithmetic: expressions, percentages, equations, factors and figures about lists of numbers."""

from __future__ import annotations

import math
import operator
import re
import statistics
from collections.abc import Callable
from typing import Any

CATEGORY = "Education"

_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?)|([a-z]+)|(\*\*|[-+*/^%(),×÷]))")
_LARGEST = 1e300
_DEEPEST = 50
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt, "abs": abs, "ln": math.log, "log": math.log10, "exp": math.exp,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "floor": math.floor, "ceil": math.ceil, "round": round,
}  # fmt: skip
_CONSTANTS = {"pi": math.pi, "e": math.e}


def calculate(expression: str) -> dict[str, Any]:
    """Work out an arithmetic expression.

    Args:
        expression: Numbers with + - * / % ^ and brackets, pi, e, and sqrt, abs, ln, log, exp, sin, cos, tan (in
            radians), floor, ceil and round of one number, such as "sqrt(2) * (3 + 4)".
    """
    if len(expression) > 1000:
        raise ValueError("expression must have at most 1000 characters")
    value = _Reader(expression).read()
    return {"expression": expression, "value": _plain(value)}


def solve_quadratic(a: float, b: float, c: float) -> dict[str, Any]:
    """Find the real numbers x with a x² + b x + c = 0.

    Args:
        a: Factor of x², which is not 0.
        b: Factor of x.
        c: The constant.
    """
    for name, value in (("a", a), ("b", b), ("c", c)):
        if not abs(value) <= 1e100:
            raise ValueError(f"{name} must be from -1e100 to 1e100, not {value}")
    if abs(a) < 1e-100:
        raise ValueError("a must not be 0: then the equation is not quadratic")
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return {"roots": []}
    # The sum of two numbers of the same sign loses no digits, and the product of the roots is c / a.
    q = -(b + math.copysign(math.sqrt(discriminant), b)) / 2
    roots = {q / a, c / q} if q else {0.0}
    return {"roots": [_plain(root) for root in sorted(roots)]}


def find_prime_factors(number: int) -> dict[str, Any]:
    """Take a whole number apart into prime factors.

    Args:
        number: From 2 to 1000000000000.
    """
    if not 2 <= number <= 10**12:
        raise ValueError(f"number must be from 2 to 1000000000000, not {number}")
    factors, left, divisor = [], number, 2
    while divisor * divisor <= left:
        while left % divisor == 0:
            factors.append(divisor)
            left //= divisor
        divisor += 1 if divisor == 2 else 2
    if left > 1:
        factors.append(left)
    return {"number": number, "factors": factors, "prime": len(factors) == 1}


def describe_numbers(numbers: list[float]) -> dict[str, Any]:
    """Give count, sum, mean, median, standard deviation, least and greatest of a list of numbers.

    Args:
        numbers: From 1 to 1000 numbers.
    """
    if not 1 <= len(numbers) <= 1000:
        raise ValueError(f"numbers must hold 1 to 1000 numbers, not {len(numbers)}")
    if not all(abs(number) <= 1e100 for number in numbers):
        raise ValueError("each of numbers must be from -1e100 to 1e100")
    values = [float(number) for number in numbers]
    figures = {
        "sum": math.fsum(values),
        "mean": statistics.fmean(values),
        "median": statistics.median(values),
        "standard_deviation": statistics.stdev(values) if len(values) > 1 else 0.0,
        "least": min(values),
        "greatest": max(values),
    }
    return {"count": len(values), **{name: _plain(value) for name, value in figures.items()}}


def split_bill(total: float, people: int, tip_percent: float = 0.0) -> dict[str, Any]:
    """Share the bill of a meal with its tip among people, rounded up to a cent each.

    Args:
        total: Amount of the bill before the tip.
        people: How many share it, from 1 to 100.
        tip_percent: Tip as a percentage of the bill, from 0 to 100.
    """
    if not 0 < total <= 1_000_000:
        raise ValueError(f"total must be above 0 and at most 1000000, not {total}")
    if not 1 <= people <= 100:
        raise ValueError(f"people must be from 1 to 100, not {people}")
    if not 0 <= tip_percent <= 100:
        raise ValueError(f"tip_percent must be from 0 to 100, not {tip_percent}")
    cents = round(total * (100 + tip_percent))
    return {"total_with_tip": cents / 100, "each": -(-cents // people) / 100}


class _Reader:
    """Reads an expression from left to right, one method for each strength of binding."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._deep = 0
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"the expression cannot be read at {text[position : position + 10]!r}")
            self._tokens.append(match[0].strip().replace("**", "^").replace("×", "*").replace("÷", "/"))
            position = match.end()

    def read(self) -> float:
        value = self._sum()
        if self._tokens:
            raise ValueError(f"the expression goes on with {self._tokens[0]!r} where it should end")
        return value

    def _next(self, *wanted: str) -> str | None:
        return self._tokens.pop(0) if self._tokens and self._tokens[0] in wanted else None

    def _sum(self) -> float:
        value = self._product()
        while sign := self._next("+", "-"):
            right = self._product()
            value = _checked(operator.add if sign == "+" else operator.sub, value, right)
        return value

    def _product(self) -> float:
        value = self._signed()
        while sign := self._next("*", "/", "%"):
            right = self._signed()
            if sign != "*" and right == 0:
                raise ValueError("the expression divides by 0")
            value = _checked({"*": operator.mul, "/": operator.truediv, "%": operator.mod}[sign], value, right)
        return value

    def _signed(self) -> float:
        negative = False
        while sign := self._next("+", "-"):
            negative ^= sign == "-"
        value = self._power()
        return -value if negative else value

    def _power(self) -> float:
        base = self._atom()
        if self._next("^"):
            self._enter()
            exponent = self._signed()
            self._deep -= 1
            return _checked(math.pow, base, exponent)
        return base

    def _atom(self) -> float:
        if not self._tokens:
            raise ValueError("the expression ends where a number is expected")
        token = self._tokens.pop(0)
        if token[0].isdigit():
            return _checked(float, token)
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if token in _FUNCTIONS:
            if self._next("(") is None:
                raise ValueError(f"{token} is followed by a number in brackets, such as {token}(2)")
            inner = self._bracketed()
            return _checked(_FUNCTIONS[token], inner)
        if token == "(":
            return self._bracketed()
        if token.isalpha():
            raise ValueError(f"{token!r} is not known; known are {', '.join([*_FUNCTIONS, *_CONSTANTS])}")
        raise ValueError(f"a number is expected where {token!r} stands")

    def _bracketed(self) -> float:
        self._enter()
        value = self._sum()
        self._deep -= 1
        if self._next(")") is None:
            raise ValueError("a bracket is not closed")
        return value

    def _enter(self) -> None:
        self._deep += 1
        if self._deep > _DEEPEST:
            raise ValueError(f"brackets and powers may be {_DEEPEST} deep")


def _checked(function: Callable[..., float], *values: float | str) -> float:
    """What the function gives, where that is a number that can be written."""
    try:
        value = float(function(*values))
    except (OverflowError, ValueError, ZeroDivisionError):
        raise ValueError("a part of the expression has no value, or one that is too large") from None
    if not abs(value) <= _LARGEST:
        raise ValueError("a part of the expression is too large")
    return value


def _plain(value: float) -> int | float:
    """Rounded to twelve digits, and whole numbers without a point."""
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded

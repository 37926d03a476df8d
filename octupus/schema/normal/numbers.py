"""Bounds and multiples of numbers, merged into one range."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from octupus.schema.normal.atoms import Atom, Contradiction
from octupus.schema.normal.references import Place

Part = tuple[Place, dict[str, Any]]


def number_atom(parts: list[Part], pointer: str, *, integer: bool) -> Atom:
    """The atom of the numbers that all parts admit. Raises Contradiction."""
    atom = Atom("integer" if integer else "number", pointer)
    lower = _strongest(parts, "minimum", "exclusiveMinimum", 1)
    upper = _strongest(parts, "maximum", "exclusiveMaximum", -1)
    if integer:
        _write_whole(atom, lower, upper)
    else:
        _write(atom, "minimum", "exclusiveMinimum", lower)
        _write(atom, "maximum", "exclusiveMaximum", upper)
    _write_step(atom, parts)
    if _is_empty(atom.keywords):
        place, keywords = parts[-1]
        keyword = next((name for name in ("maximum", "exclusiveMaximum", "minimum") if name in keywords), "multipleOf")
        raise Contradiction(keyword, place.at(keyword), f"no number fits {_shown(atom.keywords)}")
    return atom


def _strongest(parts: list[Part], inclusive: str, exclusive: str, sign: int) -> tuple[Any, bool] | None:
    """The bound that implies the others, and whether it is exclusive. `sign` is 1 for lower bounds, -1 for upper."""
    found: list[tuple[Any, bool]] = []
    for _, keywords in parts:
        strict = keywords.get(exclusive)
        if inclusive in keywords:
            # Draft 04 writes `exclusiveMinimum: true` beside `minimum`.
            found.append((keywords[inclusive], strict is True))
        if strict is not None and not isinstance(strict, bool):
            found.append((strict, True))
    return max(found, key=lambda bound: (sign * bound[0], bound[1]), default=None)


def _write(atom: Atom, inclusive: str, exclusive: str, bound: tuple[Any, bool] | None) -> None:
    if bound is not None:
        atom.keywords[exclusive if bound[1] else inclusive] = bound[0]


def _write_whole(atom: Atom, lower: tuple[Any, bool] | None, upper: tuple[Any, bool] | None) -> None:
    if lower is not None:
        value, strict = lower
        atom.keywords["minimum"] = math.floor(value) + 1 if strict else math.ceil(value)
    if upper is not None:
        value, strict = upper
        atom.keywords["maximum"] = math.ceil(value) - 1 if strict else math.floor(value)


def _write_step(atom: Atom, parts: list[Part]) -> None:
    """`multipleOf`, all of them for integers. Fractions are read as the decimals that they are written as."""
    step: Fraction | None = None
    for place, keywords in parts:
        if "multipleOf" not in keywords:
            continue
        wanted = Fraction(repr(keywords["multipleOf"]))
        if atom.kind == "integer":
            # An integer is a multiple of p/q in lowest terms exactly when it is one of p.
            wanted = Fraction(wanted.numerator)
        if step is None or step == wanted:
            step = wanted
        elif step.denominator == wanted.denominator == 1:
            step = Fraction(math.lcm(step.numerator, wanted.numerator))
        else:
            explanation = "another multipleOf applies to the same number; write their least common multiple"
            atom.unexpressed += (place.unsupported("multipleOf", explanation),)
            continue
        atom.keywords["multipleOf"] = step.numerator if step.denominator == 1 else keywords["multipleOf"]
    if atom.kind == "integer" and step == 1:
        del atom.keywords["multipleOf"]


def _is_empty(keywords: dict[str, Any]) -> bool:
    lower = keywords.get("minimum", keywords.get("exclusiveMinimum"))
    upper = keywords.get("maximum", keywords.get("exclusiveMaximum"))
    if lower is None or upper is None:
        return False
    strict = "exclusiveMinimum" in keywords or "exclusiveMaximum" in keywords
    if lower > upper or (lower == upper and strict):
        return True
    if "multipleOf" not in keywords:
        return False
    step, least, most = (Fraction(repr(value)) for value in (keywords["multipleOf"], lower, upper))
    first = math.ceil(least / step) * step
    first += step if "exclusiveMinimum" in keywords and first == least else 0
    return first > most or ("exclusiveMaximum" in keywords and first == most)


def _shown(keywords: dict[str, Any]) -> str:
    return ", ".join(f"{keyword} {value}" for keyword, value in keywords.items())

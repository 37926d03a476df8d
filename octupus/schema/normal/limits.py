"""How much of a schema is read and written, so that a stranger's schema costs no more than a moment."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from octupus.schema.normal.errors import SchemaLimitError
from octupus.schema.normal.pattern_cost import written_out

MAX_TEXT = 256 * 1024
"""Characters of the schema's JSON text."""
MAX_DEPTH = 64
"""Subschemas inside each other; JSON may nest twice as deeply, as `properties` puts a mapping between two of them."""
MAX_SUBSCHEMAS = 3_000
"""In the original (counting every JSON object) and, again, in the normal form."""
MAX_ENUM_MEMBERS = 10_000
"""In all enums of the original together and, again, of the normal form."""
MAX_LEAST = {"minItems": 1_000, "minProperties": 1_000, "minContains": 1_000, "minLength": 100_000}
"""What a value may be asked to hold at least: more of it would not fit into any answer."""
UNREACHABLE = 1_000_000
"""Items or properties that no answer has; a largest number of as many restricts nothing."""
MAX_ALTERNATIVES = 2_000
"""Members of one `anyOf` or `oneOf`."""
MAX_DISTRIBUTED = 128
"""Alternatives that a conjunction of several `anyOf` multiplies out to; beyond it, the rest is left unexpressed."""
MAX_STEPS = 100_000
"""Keywords, properties, values and pairs looked at in all; below ten microseconds each."""
MAX_PATTERN_SIZE = 60_000
"""Characters of all patterns, repetitions written out: even a validator that is asked for nothing compiles them."""
MAX_PATTERN_STEPS = 60_000
"""What reading all patterns may cost, in the unit of `pattern_cost`; patterns beyond it are left unexpressed."""
_LONGEST_POINTER = 120
"""Characters of a pointer in these errors; building whole ones would be quadratic."""


class Budget:
    """The steps that one schema may still take."""

    def __init__(self) -> None:
        self._left = MAX_STEPS
        self._left_for_patterns = MAX_PATTERN_STEPS

    def spend(self, steps: int, pointer: str) -> None:
        """Raises SchemaLimitError once all are spent."""
        self._left -= steps
        if self._left < 0:
            raise SchemaLimitError(
                "", pointer, "its alternatives multiply out to too much; write fewer or flatter ones"
            )

    def affords_pattern(self, cost: int) -> bool:
        """Whether a pattern can still be read; if so, its cost is spent."""
        if cost > self._left_for_patterns:
            return False
        self._left_for_patterns -= cost
        return True


def check_limits(schema: Any) -> None:
    """Raises SchemaLimitError for a schema that is too long, deep or wide, or is no JSON. Linear, no recursion."""
    # A stack of our own: the depth is what is being measured.
    waiting: list[tuple[Any, str, int]] = [(schema, "", 0)]
    text = subschemas = members = patterns = 0
    while waiting:
        value, pointer, depth = waiting.pop()
        if depth > 2 * MAX_DEPTH:
            raise SchemaLimitError("", pointer, f"it nests deeper than {MAX_DEPTH} subschemas")
        text += 2
        if isinstance(value, dict):
            subschemas += 1
            for keyword, most in MAX_LEAST.items():
                least = value.get(keyword)
                if isinstance(least, (int, float)) and least > most:
                    raise SchemaLimitError(keyword, f"{pointer}/{keyword}", f"more than {most} are asked for at least")
            enum = value.get("enum")
            members += len(enum) if isinstance(enum, list) else 0
            patterns += sum(map(written_out, _patterns(value)))
            text += sum(len(name) if isinstance(name, str) else 0 for name in value)
            waiting.extend((inner, f"{pointer}/{name}"[:_LONGEST_POINTER], depth + 1) for name, inner in value.items())
        elif isinstance(value, (list, tuple)):
            text += len(value)
            waiting.extend((inner, pointer, depth + 1) for inner in value)
        elif isinstance(value, str):
            text += len(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise SchemaLimitError("", pointer, f"{value} is no JSON number")
        elif isinstance(value, int) and value.bit_length() > 4_096:
            raise SchemaLimitError("", pointer, "it holds an integer of over a thousand digits")
        elif value is not None and not isinstance(value, (bool, int, float)):
            raise SchemaLimitError("", pointer, f"{type(value).__name__} is no JSON value")
        _check("its JSON text is longer", text, MAX_TEXT, "characters")
        _check("it holds more", subschemas, MAX_SUBSCHEMAS, "objects")
        _check("its enums hold more", members, MAX_ENUM_MEMBERS, "values")
        _check("its patterns are longer, repetitions written out,", patterns, MAX_PATTERN_SIZE, "characters")


def _patterns(schema: dict[Any, Any]) -> Iterator[str]:
    if isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    by_pattern = schema.get("patternProperties")
    if isinstance(by_pattern, dict):
        yield from (pattern for pattern in by_pattern if isinstance(pattern, str))


def _check(problem: str, count: int, limit: int, unit: str) -> None:
    if count > limit:
        raise SchemaLimitError("", "", f"{problem} than {limit} {unit}")

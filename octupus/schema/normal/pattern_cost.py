"""An estimate of what reading a pattern costs, made before it is read."""

from __future__ import annotations

import re

from octupus.schema.normal.formats import FORMATS

_ITEM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{([0-9]{1,9})(?:,([0-9]{0,9}))?\}|.", re.DOTALL)
_NULLABLE = re.compile(r"[?*]|\{0|\|\)|\(\|")
_MOST = 1_000_000
_OURS = frozenset(FORMATS.values())


def pattern_cost(pattern: str, length: int) -> int:
    """Roughly the tens of microseconds that `patterns.parse_pattern` takes, with lengths counted up to `length`."""
    size = min(written_out(pattern), _MOST)
    # Parts that may be empty can each be followed by all that come after them.
    edges = size * size // 8 if size > 100 and pattern not in _OURS and _NULLABLE.search(pattern) else 0
    length = min(length, _MOST)
    return 50 + 4 * size + edges + 3 * length + size * length // 32


def written_out(pattern: str) -> int:
    """Characters with repetitions written out; it reads no more syntax than that takes."""
    totals, last = [0], 0
    for found in _ITEM.finditer(pattern):
        item = found[0]
        if item == "(":
            totals[-1] += last
            totals.append(0)
            last = 0
        elif item == ")" and len(totals) > 1:
            last += totals.pop()
        elif found[1] is not None:
            last = min(last * max(int(found[2] or found[1]), 1), _MOST)
        elif item not in "?*+":
            totals[-1] += last
            last = 1
    return sum(totals) + last

"""Two runs item by item: what was gained, what was lost, and whether that may be chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.categories import CATEGORIES, category_of
from octupus.evaluate.bfcl.published import Published

_SAME = ("benchmark", "harness")


@dataclass(frozen=True)
class Change:
    """The items that both runs have, of one category or of all."""

    items: int
    gained: tuple[str, ...]
    """Wrong in the first run and right in the second."""
    lost: tuple[str, ...]

    @property
    def p_value(self) -> float:
        """Chance of a split this uneven if gaining and losing were alike (exact McNemar test, two-sided).

        Source: McNemar, Psychometrika 12 (1947): of the changed items, the gained ones are binomial with one half.
        """
        changed, fewer = len(self.gained) + len(self.lost), min(len(self.gained), len(self.lost))
        return float(min(1.0, 2 * sum(comb(changed, count) for count in range(fewer + 1)) / 2**changed))


@dataclass(frozen=True)
class Comparison:
    """The second run against the first one."""

    overall: Change
    categories: Mapping[str, Change]
    only_first: int
    """Items that the second run lacks."""
    only_second: int


def compare(first: Published, second: Published) -> Comparison:
    """Raises EvaluationError when the runs are of different versions of the benchmark, or share no item."""
    for key in _SAME:
        if first.measured.get(key) != second.measured.get(key):
            raise EvaluationError(
                f"the runs have another {key}: {first.measured.get(key)} and {second.measured.get(key)}; "
                "their numbers cannot be compared"
            )
    common = [item_id for item_id in first.right if item_id in second.right]
    if not common:
        raise EvaluationError("the two runs have no item in common")
    by_category = {name: [item_id for item_id in common if category_of(item_id) == name] for name in CATEGORIES}
    return Comparison(
        overall=_change(first, second, common),
        categories={name: _change(first, second, ids) for name, ids in by_category.items() if ids},
        only_first=len(first.right) - len(common),
        only_second=len(second.right) - len(common),
    )


def _change(first: Published, second: Published, ids: list[str]) -> Change:
    return Change(
        items=len(ids),
        gained=tuple(item_id for item_id in ids if second.right[item_id] and not first.right[item_id]),
        lost=tuple(item_id for item_id in ids if first.right[item_id] and not second.right[item_id]),
    )

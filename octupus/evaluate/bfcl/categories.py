"""The categories of BFCL v4: their groups, how many items they hold, and what they need beside an endpoint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from octupus.errors import ConfigError

Group = Literal["non_live", "live", "multi_turn", "agentic"]


@dataclass(frozen=True)
class Category:
    """One category. `items` is its size in bfcl-eval 2026.3.23."""

    name: str
    group: Group
    items: int
    needs: str = ""
    """What it needs beside the endpoint; empty where that is nothing."""

    @property
    def is_relevance(self) -> bool:
        """Whether an item is right by calling, or by not calling, whatever is called."""
        return self.name.endswith("relevance")


_SEARCH = "a SerpApi key (SERPAPI_API_KEY) and the Internet"
_ENCODER = "the package sentence-transformers with its model all-MiniLM-L6-v2, which bfcl-eval fetches from a hub"

CATEGORIES: dict[str, Category] = {
    category.name: category
    for category in (
        Category("simple_python", "non_live", 400),
        Category("simple_java", "non_live", 100),
        Category("simple_javascript", "non_live", 50),
        Category("multiple", "non_live", 200),
        Category("parallel", "non_live", 200),
        Category("parallel_multiple", "non_live", 200),
        Category("irrelevance", "non_live", 240),
        Category("live_simple", "live", 258),
        Category("live_multiple", "live", 1053),
        Category("live_parallel", "live", 16),
        Category("live_parallel_multiple", "live", 24),
        Category("live_irrelevance", "live", 884),
        Category("live_relevance", "live", 16),
        Category("multi_turn_base", "multi_turn", 200),
        Category("multi_turn_miss_func", "multi_turn", 200),
        Category("multi_turn_miss_param", "multi_turn", 200),
        Category("multi_turn_long_context", "multi_turn", 200),
        Category("memory_kv", "agentic", 155),
        Category("memory_rec_sum", "agentic", 155),
        Category("memory_vector", "agentic", 155, _ENCODER),
        Category("web_search_base", "agentic", 100, _SEARCH),
        Category("web_search_no_snippet", "agentic", 100, _SEARCH),
    )
}

_GROUPS = ("non_live", "live", "multi_turn", "agentic")
SELECTIONS: dict[str, tuple[str, ...]] = {
    **{group: tuple(name for name, category in CATEGORIES.items() if category.group == group) for group in _GROUPS},
    "single_turn": tuple(name for name, category in CATEGORIES.items() if category.group in ("non_live", "live")),
    "memory": tuple(name for name in CATEGORIES if name.startswith("memory_")),
    "web_search": tuple(name for name in CATEGORIES if name.startswith("web_search_")),
    "offline": tuple(name for name, category in CATEGORIES.items() if not category.needs),
    "all": tuple(CATEGORIES),
}
"""Names that stand for several categories, as bfcl-eval's own; `offline` is what needs the endpoint alone."""


def selected(names: Sequence[str]) -> tuple[str, ...]:
    """The categories that `names` stand for, in the benchmark's order, each once. Raises ConfigError."""
    wanted: set[str] = set()
    for name in names:
        if name not in CATEGORIES and name not in SELECTIONS:
            near = difflib.get_close_matches(name, [*CATEGORIES, *SELECTIONS], n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join([*SELECTIONS, *CATEGORIES])}"
            raise ConfigError(f"categories: BFCL v4 has no category {name!r}{hint}")
        wanted.update(SELECTIONS.get(name, (name,)))
    return tuple(name for name in CATEGORIES if name in wanted)


def category_of(item_id: str) -> str:
    """The category that an item's id begins with, such as `live_simple` of `live_simple_3-2-0`. Raises ConfigError.

    A memory item's prerequisite conversations (`memory_kv_prereq_...`) belong to no category: they are not scored.
    """
    name = item_id.rpartition("_")[0]
    if name not in CATEGORIES:
        raise ConfigError(
            f"ids: {item_id!r} is no item of BFCL v4; an id is a category and a number, such as "
            "simple_python_0, live_simple_0-0-0 or multi_turn_base_0"
        )
    return name


def grouped(item_ids: Iterable[str]) -> dict[str, list[str]]:
    """Ids by category, in the benchmark's order. Raises ConfigError for what is no id."""
    found: dict[str, list[str]] = {}
    for item_id in item_ids:
        found.setdefault(category_of(item_id), []).append(item_id)
    return {name: found[name] for name in CATEGORIES if name in found}


def missing(names: Iterable[str]) -> dict[str, str]:
    """Categories of the benchmark that `names` lack, each with what it needs beside an endpoint."""
    present = set(names)
    return {name: category.needs for name, category in CATEGORIES.items() if name not in present}

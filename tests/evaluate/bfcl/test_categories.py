"""Which items a run asks for."""

import pytest

from octupus.config import resolve
from octupus.errors import ConfigError
from octupus.evaluate.bfcl.categories import CATEGORIES, SELECTIONS, grouped, missing, selected
from octupus.evaluate.bfcl.config import EvaluateBfclConfig


def test_groups_cover_the_benchmark_once_and_in_its_order() -> None:
    groups = [SELECTIONS[name] for name in ("non_live", "live", "multi_turn", "agentic")]
    assert sorted(name for group in groups for name in group) == sorted(CATEGORIES)
    assert selected(["live", "simple_python", "live_simple"]) == ("simple_python", *SELECTIONS["live"])
    # The study's number of items without memory and web search.
    assert sum(CATEGORIES[name].items for name in selected(["non_live", "live", "multi_turn"])) == 4441
    assert set(missing(selected(["offline"]))) == {"memory_vector", "web_search_base", "web_search_no_snippet"}


def test_ids_are_told_by_their_category() -> None:
    ids = ["multi_turn_base_3", "live_simple_0-0-0", "live_simple_1-1-0"]
    assert grouped(ids) == {"live_simple": ids[1:], "multi_turn_base": ids[:1]}
    for wrong in ("simple_python", "memory_kv_prereq_3-customer-3", "0"):
        with pytest.raises(ConfigError, match="no item of BFCL"):
            grouped([wrong])


def test_a_wrong_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'simple_pyton'; did you mean 'simple_python'\?"):
        resolve(EvaluateBfclConfig, {"output": "x", "categories": ["simple_pyton"]})
    with pytest.raises(ConfigError, match="known are non_live"):
        selected(["?"])

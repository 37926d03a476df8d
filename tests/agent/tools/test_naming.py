"""ToolBench's names, and names for models that lead back to them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.agent.tools.naming import change_name, function_name, model_names, standardize

VALID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("suivi-colis", "suivi_colis"),
        ("All  (v2)", "all_v2"),
        ("3D Models", "get_3d_models"),
        ("__Hidden__", "hidden"),
        ("天气 Weather", "天气_weather"),
        ("a^b", "a^b"),
        ("", ""),
        ("!!!", ""),
    ],
)
def test_standardize(name: str, standard: str) -> None:
    assert standardize(name) == standard


def test_names_that_python_keeps() -> None:
    assert [change_name(name) for name in ("from", "id", "true", "colour")] == ["is_from", "is_id", "is_true", "colour"]


def test_toolbench_names_are_kept_where_they_can_be() -> None:
    key = ("Logistics", "suivi-colis", "Latest")
    assert model_names([key]) == {key: "latest_for_suivi_colis"}
    long = ("Data", "a tool with a name", "x" * 80)
    assert model_names([long])[long] == function_name(*long[1:]) == ("x" * 80 + "_for_a_tool_with_a_name")[-64:]


def test_names_that_clash_after_cutting_are_told_apart_whatever_the_order() -> None:
    keys = [
        ("Data", "t", "first " + "x" * 70),
        ("Data", "t", "second " + "x" * 70),
        ("Other", "t", "first " + "x" * 70),
    ]
    names = model_names(keys)
    assert len(set(names.values())) == 3
    assert names == model_names(keys[::-1])
    assert names[keys[0]] == function_name(*keys[0][1:])


_TEXTS = st.text(alphabet="aA1 -_!天^é", max_size=70)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.tuples(st.sampled_from(["Data", "Other"]), _TEXTS, _TEXTS), max_size=8))
def test_names_are_valid_and_lead_back(keys: list[tuple[str, str, str]]) -> None:
    names = model_names(keys)
    assert set(names) == set(keys)
    assert len(set(names.values())) == len(names)
    assert all(VALID.fullmatch(name) for name in names.values())


@settings(max_examples=200, deadline=None, database=None)
@given(st.text())
def test_standardizing_twice_is_standardizing_once(name: str) -> None:
    once = standardize(name)
    assert standardize(once) == once


CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "stabletoolbench" / "test_instruction"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpora are not here")
def test_real_apis_have_names_of_their_own() -> None:
    keys = {
        (api["category_name"], api["tool_name"], api["api_name"])
        for file in sorted(CORPUS.glob("*.json"))
        for query in json.loads(file.read_text())
        for api in query["api_list"]
    }
    names = model_names(keys)
    assert len(set(names.values())) == len(keys) > 500
    assert all(VALID.fullmatch(name) for name in names.values())
    plain = sum(names[key] == function_name(*key[1:]) for key in keys)
    assert plain > 0.98 * len(keys)

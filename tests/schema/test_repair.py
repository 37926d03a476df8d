"""Foreign schemas made draft 2020-12."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.schema.repair import (
    DEEPEST_NESTING,
    is_flat,
    normalise,
    normalise_parameters,
    parameters_from_flat,
    with_meant_enums,
)
from octupus.schema.validation import check_schema, validator


def closed(properties: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **keywords}


@pytest.mark.parametrize(
    ("foreign", "repaired"),
    [
        ({"type": "List[int]"}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "list(str)", "items": {"type": "int"}}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "str, optional"}, {"type": "string"}),
        ({"type": "np.ndarray", "description": "x"}, {"description": "x"}),
        ({"type": ["str", "NoneType"]}, {"type": ["string", "null"]}),
        ({"type": ["str", "string"]}, {"type": ["string"]}),
        (
            {"type": ["List[str]", "int"]},
            {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "integer"}]},
        ),
        ({"type": ["str", "any"]}, {}),
        ({"type": "array"}, {"type": "array"}),
        ({"type": "number", "format": "float", "default": ""}, {"type": "number", "format": "float", "default": ""}),
        (
            {"items": [{"type": "int"}], "additionalItems": False},
            {"prefixItems": [{"type": "integer"}], "items": False},
        ),
        ({"type": "list", "items": []}, {"type": "array"}),
        ({"examples": "a, b"}, {"examples": ["a, b"]}),
        ({"properties": []}, {"properties": {}}),
    ],
)
def test_types_and_shapes(foreign: dict[str, Any], repaired: dict[str, Any]) -> None:
    assert normalise(foreign) == repaired


@pytest.mark.parametrize(
    ("foreign", "repaired"),
    [
        ({"enum": [None], "type": "string"}, {"type": "string"}),
        ({"enum": []}, {}),
        ({"enum": None}, {}),
        ({"enum": "a, b"}, {"enum": "a, b"}),
        ({"enum": [None], "type": "null"}, {"enum": [None], "type": "null"}),
        ({"type": "integer", "enum": ["1", "2"]}, {"type": "string", "enum": ["1", "2"]}),
        ({"type": "string", "enum": [1, 2.0]}, {"type": "integer", "enum": [1, 2.0]}),
        ({"type": "string", "enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}),
        ({"type": "integer", "enum": [0.5]}, {"type": "number", "enum": [0.5]}),
        ({"type": "string", "enum": [True, False]}, {"type": "boolean", "enum": [True, False]}),
        ({"type": "number", "enum": [1, 2]}, {"type": "number", "enum": [1, 2]}),
        ({"type": "integer", "enum": [1, "2"]}, {"type": "integer", "enum": [1, "2"]}),
        ({"type": "string", "enum": [1, True]}, {"type": "string", "enum": [1, True]}),
        ({"type": "array", "enum": ["a"]}, {"type": "array", "enum": ["a"]}),
        (
            {"type": "array", "items": {"type": "string"}, "enum": ["a", "b"]},
            {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        ),
        (
            {"type": "array", "items": {"type": "string"}, "enum": [["a"], "b"]},
            {"type": "array", "items": {"type": "string"}, "enum": [["a"], "b"]},
        ),
    ],
)
def test_enums(foreign: dict[str, Any], repaired: dict[str, Any]) -> None:
    assert normalise(foreign) == repaired


@pytest.mark.parametrize(
    ("foreign", "required"),
    [
        (closed({"a": {"required": True}, "b": {"required": False}}), ["a"]),
        (closed({"a": {"required": "true"}}), ["a"]),
        (closed({"a": {"required": True}, "b": {}}, required=["b"]), ["b", "a"]),
        (closed({"a": {"optional": True}, "b": {}}, required=["a", "b"]), ["b"]),
        (closed({"a": {"optional": True, "required": True}}), None),
        (closed({"a": {"type": "str, optional"}, "b": {"type": "str (required)"}}, required=["a"]), ["b"]),
        (closed({"a": "str, optional", "b": "int"}, required=["a", "b"]), ["b"]),
        (closed({"a": {}}, required=["a", "a", "absent", 3]), ["a"]),
        (closed({"a": {}}, required=None), None),
        (closed({"a": {}}, required=True), None),
        (closed({"a": {}}, required=["absent"], additionalProperties=True), ["absent"]),
        (closed({"a": {}}, required=["absent"], anyOf=[{"properties": {"absent": {}}}]), ["absent"]),
        ({"type": "object", "required": ["absent"]}, ["absent"]),
    ],
)
def test_required(foreign: dict[str, Any], required: list[str] | None) -> None:
    repaired = normalise(foreign)
    assert repaired.get("required") == required
    assert check_schema(repaired) is None
    assert not any({"required", "optional"} & set(schema) for schema in repaired.get("properties", {}).values())


def test_a_part_of_an_object_may_require_what_another_part_declares() -> None:
    schema = closed({"b": {}}, allOf=[{"properties": {"a": {}}, "required": ["b"]}])
    assert normalise(schema) == schema


def test_an_object_in_a_property_keeps_its_own_required() -> None:
    schema = closed({"a": closed({"b": {"required": True}})})
    assert normalise(schema) == closed({"a": closed({"b": {}}, required=["b"])})


@pytest.mark.parametrize("empty", [None, {}, [], {"properties": []}, {"properties": None}, {"type": "dict"}])
def test_parameters_always_describe_an_object(empty: Any) -> None:
    assert normalise_parameters(empty) == {"type": "object", "properties": {}}


def test_parameters_of_toolace() -> None:
    written = {"type": "dict", "properties": {"x": {"type": "tuple"}, "y": {"type": "any"}}, "required": ["x"]}
    assert normalise_parameters(written) == closed({"x": {"type": "array"}, "y": {}}, required=["x"])


@pytest.mark.parametrize(
    ("parameter", "required", "repaired"),
    [
        ({"type": "int"}, True, {"type": "integer"}),
        ({"type": "int", "default": ""}, True, {"type": "integer"}),
        ({"type": "int", "default": 0}, False, {"type": "integer", "default": 0}),
        ({"type": "str", "default": "Oban"}, False, {"type": "string", "default": "Oban"}),
        ({"type": "str", "default": None}, False, {"type": "string", "default": None}),
        ({"type": "str, optional"}, False, {"type": "string"}),
        ({"type": "str, optional", "default": ""}, False, {"type": "string", "default": ""}),
        ({"type": "str", "required": False}, False, {"type": "string"}),
        ({"type": "str", "default": "x", "required": True}, True, {"type": "string", "default": "x"}),
        ("list of strings", True, {"type": "array", "items": {"type": "string"}}),
        ("Name of the port", True, {"description": "Name of the port"}),
        (None, True, {}),
    ],
)
def test_flat_parameters_without_a_list(parameter: Any, required: bool, repaired: dict[str, Any]) -> None:
    schema = parameters_from_flat({"properties": parameter}, None)
    assert schema == closed({"properties": repaired}, required=["properties"] if required else [])


def test_flat_parameters_with_a_list() -> None:
    parameters = {"a": {"type": "str"}, "b": {"type": "str", "required": True}, "c": {"type": "str"}}
    assert parameters_from_flat(parameters, ["a", "absent"])["required"] == ["a", "b"]
    assert parameters_from_flat(parameters, ())["required"] == ["b"]


@pytest.mark.parametrize(
    ("parameters", "flat"),
    [
        ({"q": {"type": "str"}}, True),
        ({"type": {"type": "str"}, "properties": {"type": "str"}}, True),
        ({"type": "object", "properties": {}}, False),
        ({"properties": {"a": {}}}, False),
        ({}, False),
    ],
)
def test_flat_parameters_are_told_from_schemas(parameters: dict[str, Any], flat: bool) -> None:
    assert is_flat(parameters) == flat


def test_nesting_is_bounded() -> None:
    schema: dict[str, Any] = {"type": "int"}
    for _ in range(DEEPEST_NESTING * 10):
        schema = {"items": schema}
    assert normalise(schema) == schema


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "1", "a", "b", "x, optional"])
types = st.sampled_from(
    ["int", "string", "List[int]", "str, optional", "Optional[str]", "x", "null", "dict", "Tuple[int]"]
)
texts = st.sampled_from("ab")


def foreign_schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": types | st.lists(types | st.none(), max_size=3) | scalars,
            "properties": st.dictionaries(texts, inner, max_size=2) | st.just([]),
            "required": st.lists(texts | scalars, max_size=3) | scalars,
            "optional": scalars,
            "enum": st.lists(scalars, max_size=3) | scalars,
            "items": inner | st.lists(inner, max_size=2),
            "additionalItems": inner,
            "additionalProperties": inner,
            "anyOf": st.lists(inner, max_size=2),
            "default": scalars,
            "examples": scalars,
        },
    )


foreign = foreign_schemas(st.recursive(scalars | types, foreign_schemas, max_leaves=6))


@given(foreign)
@settings(deadline=None)
def test_once_is_enough_and_the_input_stays(schema: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    repaired = normalise(schema)
    assert normalise(repaired) == repaired
    parameters = normalise_parameters(schema)
    assert normalise_parameters(parameters) == parameters
    assert schema == before


@given(st.dictionaries(texts, foreign | scalars, max_size=2), st.none() | st.lists(texts, max_size=2))
@settings(deadline=None)
def test_wrapped_parameters_are_normal(parameters: dict[str, Any], required: list[str] | None) -> None:
    schema = parameters_from_flat(parameters, required)
    assert normalise_parameters(schema) == schema
    assert schema["type"] == "object"
    assert set(schema["required"]) <= set(schema["properties"])


def valid_schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"]),
            "properties": st.dictionaries(texts, inner, max_size=2),
            "required": st.lists(texts, max_size=2, unique=True),
            "enum": st.lists(scalars, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "additionalProperties": inner,
        },
    )


values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2), max_leaves=5
)


@given(
    valid_schemas(st.recursive(st.booleans(), valid_schemas, max_leaves=4)), st.lists(values, min_size=5, max_size=5)
)
@settings(deadline=None)
def test_a_repair_of_a_valid_schema_refuses_nothing_more(schema: dict[str, Any], instances: list[Any]) -> None:
    valid = [instance for instance in instances if validator(schema).is_valid(instance)]
    for repaired in (normalise(schema), with_meant_enums(schema)):
        assert all(validator(repaired).is_valid(instance) for instance in valid)


def test_only_enums_that_no_value_satisfies_are_read_as_meant() -> None:
    wanted = {"type": "array", "items": {"type": "string"}, "enum": ["a", "b"]}
    count = {"type": "integer", "enum": ["1", "2"]}
    kept = {"enum": [None], "type": ["string", "null"], "required": "c", "default": None}
    schema = {"type": "object", "properties": {"wanted": wanted, "count": count, "kept": kept}, "required": ["wanted"]}
    read = with_meant_enums(schema)
    assert read["properties"] == {
        "wanted": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        "count": {"type": "string", "enum": ["1", "2"]},
        "kept": kept,
    }
    assert read | {"properties": None} == schema | {"properties": None}


def real_parameters(shared: Callable[[str], Path]) -> Iterator[dict[str, Any]]:
    for name in ("apibank_l1", "apibank_l2", "sealtool", "toolalpaca"):
        for row in json.loads(shared(f"corpora/hammer_eval/{name}.json").read_text()):
            for tool in row["tools"]:
                yield parameters_from_flat(tool["parameters"], tool.get("required"))
    for line in shared("corpora/sealtools/tool.jsonl").read_text().splitlines():
        tool = json.loads(line)
        yield parameters_from_flat(tool["parameters"], tool["required"])
    for language in ("en", "zh"):
        for row in json.loads(shared(f"corpora/llamafactory/glaive_toolcall_{language}_demo.json").read_text()):
            for tool in json.loads(row["tools"] or "[]"):
                yield normalise_parameters(tool.get("parameters"))


def test_real_parameters_become_valid_schemas(shared: Callable[[str], Path]) -> None:
    for schema in real_parameters(shared):
        assert check_schema(schema) is None
        assert normalise_parameters(schema) == schema


def test_only_undeclared_names_and_marks_leave_real_schemas(shared: Callable[[str], Path]) -> None:
    changed = []
    with shared("corpora/json_schemas/maskbench_sample.jsonl").open() as lines:
        for line in lines:
            row = json.loads(line)
            row["schema"].pop("$schema", None)  # repaired schemas are draft 2020-12
            repaired = normalise(row["schema"])
            if repaired == row["schema"]:
                continue
            changed.append(row["name"])
            assert check_schema(repaired) is None
            for test in row["tests"]:
                assert validator(repaired).is_valid(test["data"]) or not validator(row["schema"]).is_valid(test["data"])
    assert len(changed) < 20

"""The normal form against the original, by the instances that both admit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octupus.schema.normal import ContradictorySchemaError, NormalSchema, ReferenceSchemaError, normalise
from octupus.schema.validation import check_schema, validator
from tests.schema.normal.checker import check_normal

CORPORA = Path(__file__).parents[4] / "shared" / "corpora" / "json_schemas"
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")

names = st.sampled_from(["a", "b", "ab"])
scalars = st.sampled_from([None, True, False, 0, 1, 2, 3, 1.0, 1.5, "", "a", "b", "ab", "aab"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
small = st.integers(0, 3)
patterns = st.sampled_from(["^a", "b$", "^a+$", "^(a|b)?$", "(?=a)"])
types = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
references = st.sampled_from(["#", "#/$defs/first", "#/$defs/second"]).map(lambda target: {"$ref": target})


def keywords_over(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas of one to four keywords, whose subschemas are drawn from `inner`."""
    members = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(names, inner, max_size=3)
    each: dict[str, st.SearchStrategy[Any]] = {
        "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
        "enum": st.lists(values, min_size=1, max_size=4, unique_by=json.dumps),
        "const": values,
        "minimum": st.sampled_from([0, 1, 1.5, 2]),
        "exclusiveMaximum": st.sampled_from([0, 1, 1.5, 3]),
        "multipleOf": st.sampled_from([1, 2, 0.5, 3]),
        "minLength": small,
        "maxLength": small,
        "pattern": patterns,
        "items": inner,
        "prefixItems": members,
        "minItems": small,
        "maxItems": small,
        "uniqueItems": st.booleans(),
        "contains": inner,
        "minContains": small,
        "maxContains": small,
        "unevaluatedItems": inner,
        "properties": named,
        "required": st.lists(names, unique=True, max_size=2),
        "patternProperties": st.dictionaries(patterns, inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "minProperties": small,
        "maxProperties": small,
        "unevaluatedProperties": inner,
        "dependentRequired": st.dictionaries(names, st.lists(names, unique=True, max_size=2), max_size=2),
        "dependentSchemas": named,
        "allOf": members,
        "anyOf": members,
        "oneOf": members,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
    }
    chosen = st.lists(st.sampled_from(sorted(each)), min_size=1, max_size=4, unique=True)
    return chosen.flatmap(lambda wanted: st.fixed_dictionaries({keyword: each[keyword] for keyword in wanted}))


subschemas = st.recursive(st.booleans() | references, keywords_over, max_leaves=6)


def refers_to_itself_in_place(root: dict[str, Any]) -> bool:
    """Whether a reference leads back to itself without a step into the value: undefined in the standard."""
    targets = {"#": root, **{f"#/$defs/{name}": schema for name, schema in root["$defs"].items()}}
    reached = {target: in_place_references(schema) for target, schema in targets.items()}
    for _ in targets:
        reached = {target: found.union(*(reached[other] for other in found)) for target, found in reached.items()}
    return any(target in found for target, found in reached.items())


def in_place_references(schema: Any) -> set[str]:
    if not isinstance(schema, dict):
        return set()
    members = [schema[keyword] for keyword in IN_PLACE if keyword in schema]
    members = [place for member in members for place in (member if isinstance(member, list) else [member])]
    members += schema.get("dependentSchemas", {}).values()
    return {schema[keyword] for keyword in ["$ref"] if keyword in schema}.union(*map(in_place_references, members))


schemas = st.builds(
    lambda schema, first, second: {**schema, "$defs": {"first": first, "second": second}},
    keywords_over(subschemas),
    subschemas,
    subschemas,
).filter(lambda schema: not refers_to_itself_in_place(schema))


def compare(schema: dict[str, Any], normal: NormalSchema, instances: list[Any]) -> None:
    """Asserts that the normal form admits what the original does, and nothing more if it says so."""
    original, rewritten = validator(schema), validator(normal.schema)
    for instance in instances:
        if original.is_valid(instance):
            assert rewritten.is_valid(instance), instance
        elif not normal.unexpressed:
            assert not rewritten.is_valid(instance), instance


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas, st.lists(values, max_size=12))
def test_random_schemas_keep_their_instances(schema: dict[str, Any], instances: list[Any]) -> None:
    try:
        normal = normalise(schema)
    except ContradictorySchemaError:
        assert not any(validator(schema).is_valid(instance) for instance in instances)
        return
    check_normal(normal.schema, dict(normal.pointers))
    compare(schema, normal, instances)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas, st.lists(values, max_size=8))
def test_closing_only_removes_instances_and_normalising_twice_changes_none(
    schema: dict[str, Any], instances: list[Any]
) -> None:
    try:
        normal, closed = normalise(schema), normalise(schema, closed=True)
    except ContradictorySchemaError:
        return
    again = normalise(normal.schema)
    check_normal(closed.schema, dict(closed.pointers))
    assert again.unexpressed == ()
    for instance in instances:
        expected = validator(normal.schema).is_valid(instance)
        assert validator(again.schema).is_valid(instance) == expected
        assert expected or not validator(closed.schema).is_valid(instance)


def corpus(name: str, every: int) -> list[Any]:
    path = CORPORA / f"{name}.jsonl"
    if not path.is_file():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"{path} is not there"))]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    label = "name" if "name" in rows[0] else "description"
    return [pytest.param(row, id=row[label]) for row in rows[::every]]


@pytest.mark.parametrize("row", [*corpus("test_suite_2020_12", 1), *corpus("maskbench_sample", 8)])
def test_corpora_keep_their_instances(row: dict[str, Any]) -> None:
    schema = without_formats(row["schema"])
    if not isinstance(schema, dict) or check_schema(schema) is not None:
        return
    instances = [case["data"] for case in row["tests"]]
    try:
        normal = normalise(schema)
    except ReferenceSchemaError:
        # The metaschema and neighbours of the suite, which nobody fetches.
        assert "http" in json.dumps(schema) or "$id" in json.dumps(schema)
        return
    except ContradictorySchemaError:
        assert not any(validator(schema).is_valid(instance) for instance in instances)
        return
    check_normal(normal.schema, dict(normal.pointers))
    compare(schema, normal, instances)


def without_formats(schema: Any) -> Any:
    """A format is an annotation to the validator, and held by the normal form."""
    if isinstance(schema, dict):
        kept = {name: value for name, value in schema.items() if name != "format" or not isinstance(value, str)}
        return {name: without_formats(value) for name, value in kept.items()}
    return [without_formats(item) for item in schema] if isinstance(schema, list) else schema

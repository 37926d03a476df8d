"""Tools drawn from observed calls."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.sources.inferred_tools import DEEPEST_LEVEL, infer_tools
from octupus.schema.validation import check_schema, violations

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
calls = st.lists(st.tuples(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), json_values, max_size=3)))


def parameters(*observed: dict[str, Any]) -> dict[str, Any]:
    (tool,) = infer_tools(("f", arguments) for arguments in observed)
    return tool.function.parameters


def test_arguments_are_united_and_those_of_every_call_required() -> None:
    schema = parameters({"city": "Rome", "days": 1}, {"days": 2.5, "unit": None, "city": "Oslo"})
    assert list(schema["properties"]) == ["city", "days", "unit"]
    assert schema["properties"] == {"city": {"type": "string"}, "days": {"type": "number"}, "unit": {"type": "null"}}
    assert schema["required"] == ["city", "days"]


def test_several_types_and_nested_values() -> None:
    schema = parameters({"a": [{"x": 1}, {"x": True, "y": ""}]}, {"a": "none"}, {"a": []})
    assert schema["properties"]["a"] == {
        "type": ["array", "string"],
        "items": {
            "type": "object",
            "properties": {"x": {"type": ["boolean", "integer"]}, "y": {"type": "string"}},
            "required": ["x"],
        },
    }


def test_an_array_that_was_always_empty_admits_anything() -> None:
    assert parameters({"a": []})["properties"]["a"] == {"type": "array", "items": {}}


def test_tools_come_by_name() -> None:
    assert [tool.function.name for tool in infer_tools([("b", {}), ("a", {}), ("b", {})])] == ["a", "b"]
    assert infer_tools([]) == ()


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    schema = parameters({"a": value})["properties"]["a"]
    for _ in range(DEEPEST_LEVEL - 1):
        schema = schema["items"]
    assert schema == {"type": "array"}


@given(observed=calls)
@settings(deadline=None)
def test_every_observed_call_fits_its_tool(observed: list[tuple[str, dict[str, Any]]]) -> None:
    schemas = {tool.function.name: tool.function.parameters for tool in infer_tools(observed)}
    assert set(schemas) == {name for name, _ in observed}
    for name, arguments in observed:
        assert check_schema(schemas[name]) is None
        assert not violations(schemas[name], arguments)

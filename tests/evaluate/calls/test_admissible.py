from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from octupus.evaluate.calls.admissible import admissible_call
from octupus.evaluate.calls.ast_rules import MadeCall, check_call

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
VALUES = st.recursive(
    LEAVES | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def schema_of(value: Any) -> dict[str, Any]:
    """A schema as corpora have it, with the type of a list's items where all have one."""
    schema: dict[str, Any] = {"type": NAMES[type(value)]}
    kinds = {type(item) for item in value} if isinstance(value, list) else set()
    if len(kinds) == 1:
        schema["items"] = {"type": NAMES[kinds.pop()]}
    return schema


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.sampled_from(("typed", "untyped", "nullable")))
def test_every_expected_call_is_right_as_it_stands(arguments: dict[str, Any], how: str) -> None:
    properties = {name: schema_of(value) for name, value in arguments.items()}
    if how == "untyped":
        properties = {name: {} for name in arguments}
    if how == "nullable":
        properties = {name: {**schema, "type": [schema["type"], "null"]} for name, schema in properties.items()}
    parameters = {"properties": properties, "required": list(arguments)}
    assert check_call(MadeCall("f", arguments), admissible_call("f", arguments, parameters), parameters).detail == ""


PARAMETERS = {
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 1},
        "metric": {"type": "boolean"},
    },
    "required": ["city"],
}


def right(expected: dict[str, Any], made: dict[str, Any], parameters: dict[str, Any] = PARAMETERS) -> bool:
    return check_call(MadeCall("f", made), admissible_call("f", expected, parameters), parameters).right


def test_a_default_and_nothing_are_the_same() -> None:
    assert right({"city": "Rome", "days": 1}, {"city": "Rome"})
    assert right({"city": "Rome"}, {"city": "Rome", "days": 1})


def test_another_value_than_the_default_must_be_there() -> None:
    assert not right({"city": "Rome", "days": 2}, {"city": "Rome"})
    assert not right({"city": "Rome"}, {"city": "Rome", "days": 2})
    assert not right({"city": "Rome", "metric": False}, {"city": "Rome"})


def test_a_required_argument_with_a_default_must_be_there() -> None:
    parameters = {**PARAMETERS, "required": ["city", "days"]}
    assert not right({"city": "Rome", "days": 1}, {"city": "Rome"}, parameters)

"""Signatures as JSON Schema: exact, admitted by octupus itself, and taken back as the function's own types."""

import enum
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.admission import SchemaAdmission
from octupus.errors import ConfigError
from octupus.talk.function_schema import function_tool
from octupus.talk.python_tools import run_tool

from ..decoding.turns import factory


class Unit(enum.Enum):
    """A unit."""

    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class Place(BaseModel):
    """A place."""

    city: str
    district: str | None = None


def everything(
    text: str,
    count: int,
    ratio: float,
    exact: bool,
    names: list[str],
    options: dict[str, Any],
    unit: Unit,
    size: Literal["s", "m"],
    places: list[Place],
    note: Optional[str] = None,  # noqa: UP045  # as people still write it
    copy: Annotated[int, Field(description="How many.", ge=1)] = 1,
) -> dict[str, Any]:
    """Takes one of each.

    And says so.
    """
    return {
        "types": [type(value).__name__ for value in (text, count, ratio, exact, names, options, unit, places[0])],
        "note": note,
        "copy": copy,
        "size": size,
    }


GIVEN = {
    "text": "a",
    "count": 1,
    "ratio": 2,
    "exact": True,
    "names": ["x"],
    "options": {"k": 1},
    "unit": "celsius",
    "size": "m",
    "places": [{"city": "Paris"}],
}


def test_each_type_has_its_schema() -> None:
    function = function_tool(everything).definition["function"]
    assert (function["name"], function["description"]) == ("everything", "Takes one of each.")
    schema = function["parameters"]
    assert schema["required"] == list(GIVEN)
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert {name: properties[name]["type"] for name in ("text", "count", "ratio", "exact", "names", "options")} == {
        "text": "string",
        "count": "integer",
        "ratio": "number",
        "exact": "boolean",
        "names": "array",
        "options": "object",
    }
    assert properties["size"]["enum"] == ["s", "m"]
    assert schema["$defs"]["Unit"]["enum"] == ["celsius", "fahrenheit"]
    assert properties["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert properties["copy"] == {"type": "integer", "minimum": 1, "default": 1, "description": "How many."}


def test_octupus_enforces_every_such_schema(tokenizer: ChatTokenizer) -> None:
    schema = function_tool(everything).definition["function"]["parameters"]
    assert not SchemaAdmission(factory(OCTUPUS, tokenizer)).arguments(schema).checked


def test_arguments_arrive_as_the_types_of_the_hints() -> None:
    result = run_tool(function_tool(everything), json.dumps(GIVEN))
    assert not result.failed, result
    assert json.loads(result.text) == {
        "types": ["str", "int", "float", "bool", "list", "dict", "Unit", "Place"],
        "note": None,
        "copy": 1,
        "size": "m",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [({"count": "x"}, "count"), ({"places": [{}]}, "places.0.city"), ({"more": 1}, "more"), ({"size": "l"}, "size")],
)
def test_wrong_arguments_are_told_to_the_model(change: dict[str, Any], said: str) -> None:
    result = run_tool(function_tool(everything), json.dumps(GIVEN | change))
    assert result.failed
    assert json.loads(result.text)["error"].startswith(said)


def no_docstring(a: int) -> int:
    return a


def no_hint(a) -> None:  # type: ignore[no-untyped-def]
    """Has no hint."""


def many(*a: int) -> None:
    """Takes any number."""


def no_schema(a: Callable[[], int]) -> None:
    """Takes a function."""


def unknown(a: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Takes what does not exist."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_docstring, "no_docstring has no docstring"),
        (no_hint, "no_hint, parameter a: has no type hint"),
        (many, "many, parameter a: .*by name"),
        (no_schema, "no_schema, parameter a: .*no JSON Schema"),
        (unknown, "unknown: .*Nowhere"),
    ],
)
def test_a_function_that_is_no_tool_is_named(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        function_tool(function)

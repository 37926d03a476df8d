"""Python functions as tools: schemas that say what they take, and values that are of the types they want."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.agent.tools.docstring import read_docstring
from octupus.agent.tools.signature import UnusableFunctionError, schema_of, signature_of
from octupus.schema.admission import walk
from octupus.schema.validation import check_schema, validator


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Address(TypedDict):
    street: str
    number: NotRequired[int]


@dataclasses.dataclass
class Item:
    name: str
    count: int = 1
    colours: list[Colour] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Endless:
    inner: Endless | None = None


AccountId = NewType("AccountId", str)


def book(
    guest: str,
    nights: int,
    day: datetime.date,
    room: Literal["single", "double"] = "single",
    items: list[Item] | None = None,
    colour: Colour = Colour.RED,
    *,
    price: Annotated[float, "What it may cost."] = 100.0,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Book a room
    for a guest.

    Late arrivals are possible.

    Args:
        guest: Who stays, as in the contacts:
            the whole name.
        nights (int, optional): How long: at least one.
        room: What kind.

    Returns:
        The booking.
    """
    return {}


def test_a_function_becomes_a_closed_schema() -> None:
    signature = signature_of(book)
    assert signature.description == "Book a room for a guest.\nLate arrivals are possible."
    assert signature.stateful
    assert signature.parameters == {
        "type": "object",
        "properties": {
            "guest": {"type": "string", "description": "Who stays, as in the contacts: the whole name."},
            "nights": {"type": "integer", "description": "How long: at least one."},
            "day": {"type": "string", "format": "date"},
            "room": {
                "type": "string",
                "enum": ["single", "double"],
                "description": "What kind.",
                "default": "single",
            },
            "items": {
                "anyOf": [
                    {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "name": {"type": "string"},
                                "count": {"type": "integer"},
                                "colours": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}},
                            },
                            "required": ["name"],
                            "additionalProperties": False,
                        },
                    },
                    {"type": "null"},
                ],
                "default": None,
            },
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "price": {"type": "number", "description": "What it may cost.", "default": 100.0},
        },
        "required": ["guest", "nights", "day"],
        "additionalProperties": False,
    }


def test_arguments_become_the_values_the_types_say() -> None:
    values = signature_of(book).values(
        {
            "guest": "Ada",
            "nights": 3.0,
            "day": "2027-02-28",
            "items": [{"name": "bed", "count": 2.0, "colours": ["blue"]}],
            "colour": "blue",
            "price": 3,
        }
    )
    assert values == {
        "guest": "Ada",
        "nights": 3,
        "day": datetime.date(2027, 2, 28),
        "items": [Item("bed", 2, [Colour.BLUE])],
        "colour": Colour.BLUE,
        "price": 3,
    }
    assert type(values["nights"]) is int
    assert type(values["items"][0].count) is int
    with pytest.raises(ValueError, match="day is out of range"):
        signature_of(book).values({"guest": "Ada", "nights": 1, "day": "2027-02-30"})


@pytest.mark.parametrize(
    ("annotation", "schema", "given_value", "wanted"),
    [
        (Any, {}, {"a": 1}, {"a": 1}),
        (Optional[int], {"type": ["integer", "null"]}, 2.0, 2),  # noqa: UP045
        (Union[int, str], {"type": ["integer", "string"]}, "2", "2"),  # noqa: UP007
        (int | float, {"type": ["integer", "number"]}, 2.5, 2.5),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1.0}, {"a": 1}),
        (Mapping[str, Any], {"type": "object", "additionalProperties": {}}, {"a": [1]}, {"a": [1]}),
        (Sequence[int], {"type": "array", "items": {"type": "integer"}}, [1.0], [1]),
        (set[str], {"type": "array", "items": {"type": "string"}}, ["a", "a"], {"a"}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}, [1.0, 2], (1, 2)),
        (
            tuple[float, float],
            {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            [1, 2.5],
            (1, 2.5),
        ),
        (
            tuple[str, int],
            {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "integer"}],
                "items": False,
                "minItems": 2,
                "maxItems": 2,
            },
            ["a", 1.0],
            ("a", 1),
        ),
        (Literal[1, "a", None], {"type": ["integer", "string", "null"], "enum": [1, "a", None]}, "a", "a"),
        (Level, {"type": "integer", "enum": [1, 2]}, 2, Level.HIGH),
        (AccountId, {"type": "string"}, "x", "x"),
        (datetime.datetime, {"type": "string", "format": "date-time"}, "2027-01-02T03:00",
         datetime.datetime(2027, 1, 2, 3)),
        (
            Address,
            {
                "type": "object",
                "properties": {"street": {"type": "string"}, "number": {"type": "integer"}},
                "required": ["street"],
                "additionalProperties": False,
            },
            {"street": "a", "number": 4.0},
            {"street": "a", "number": 4},
        ),
    ],
)  # fmt: skip
def test_each_type(annotation: Any, schema: dict[str, Any], given_value: Any, wanted: Any) -> None:
    def tool(argument: Any) -> None:
        """Does something."""

    tool.__annotations__ = {"argument": annotation, "return": None}
    signature = signature_of(tool)
    assert signature.parameters["properties"]["argument"] == schema
    assert validator(signature.parameters).is_valid({"argument": given_value})
    value = signature.values({"argument": given_value})["argument"]
    assert value == wanted
    assert type(value) is type(wanted)


def test_a_union_takes_the_member_that_fits() -> None:
    def tool(what: Item | Address | list[Colour] | int | None) -> None:
        """Does something."""

    signature = signature_of(tool)
    for argument, wanted in (
        ({"name": "bed"}, Item("bed")),
        ({"street": "a"}, {"street": "a"}),
        (["red"], [Colour.RED]),
        (2.0, 2),
        (None, None),
    ):
        assert validator(signature.parameters).is_valid({"what": argument})
        assert signature.values({"what": argument}) == {"what": wanted}


def _functions_that_are_no_tools() -> list[tuple[Callable[..., Any], str]]:
    def undocumented(a: int) -> int: ...

    def untyped(a) -> int:  # type: ignore[no-untyped-def]
        """Does something."""

    def any_number(*values: int) -> int:
        """Does something."""

    def any_name(**values: int) -> int:
        """Does something."""

    def by_position(a: int, /) -> int:
        """Does something."""

    def of_bytes(a: bytes) -> int:
        """Does something."""

    def of_functions(a: Callable[[], None]) -> int:
        """Does something."""

    def of_keys(a: dict[int, str]) -> int:
        """Does something."""

    def endless(a: Endless) -> int:
        """Does something."""

    def unknown(a: NoSuchType) -> int:  # type: ignore[name-defined]  # noqa: F821
        """Does something."""

    return [
        (undocumented, "no docstring"),
        (untyped, "parameter a has no type"),
        (any_number, "by name"),
        (any_name, "by name"),
        (by_position, "by name"),
        (of_bytes, "bytes, which has no JSON form"),
        (of_functions, "no JSON form"),
        (of_keys, "keys are no strings"),
        (endless, "refers to itself"),
        (unknown, "NoSuchType"),
    ]


@pytest.mark.parametrize(("function", "said"), _functions_that_are_no_tools())
def test_what_is_no_tool_is_named(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(UnusableFunctionError, match=f"^{function.__name__}.*{said}"):
        signature_of(function)


def test_a_state_is_only_what_can_hold_one() -> None:
    def address(city: str, state: str) -> None:
        """Says where."""

    signature = signature_of(address)
    assert not signature.stateful
    assert list(signature.parameters["properties"]) == ["city", "state"]


_PLAIN = st.sampled_from([str, int, float, bool, type(None), Any, Colour, Level, Item, Address, datetime.date])
_ANNOTATIONS = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: tuple[kind, ...]),  # type: ignore[valid-type]
        st.tuples(inner, inner).map(lambda kinds: kinds[0] | kinds[1] if Any not in kinds else Any),
        st.tuples(inner, inner).map(lambda kinds: tuple[kinds]),  # type: ignore[misc]
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, database=None)
@given(_ANNOTATIONS)
def test_every_schema_is_a_schema_of_json(annotation: Any) -> None:
    schema = schema_of(annotation)
    assert check_schema(schema) is None
    assert json.loads(json.dumps(schema)) == schema
    for _, part in walk(schema):
        if part.get("type") == "object" and "properties" in part:
            assert part["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        ("", "", {}),
        ("Does it.", "Does it.", {}),
        ("Does it.\n\n:param a: One.\n  More.\n:param int b: Two.\n:returns: c",
         "Does it.", {"a": "One. More.", "b": "Two."}),
        ("Does it.\nParameters:\n  a (list[str], optional): One: or two.\n  *b: Many.\nRaises:\n  x: y",
         "Does it.", {"a": "One: or two.", "b": "Many."}),
        ("Does it: well.\n\nArgs:\n    a: One\n\n    b: Two\n", "Does it: well.", {"a": "One", "b": "Two"}),
        ("Args:\n  a: One", "", {"a": "One"}),
    ],
)  # fmt: skip
def test_docstrings(text: str, description: str, parameters: dict[str, str]) -> None:
    docstring = read_docstring(text)
    assert (docstring.description, docstring.parameters) == (description, parameters)


@settings(max_examples=200, deadline=None, database=None)
@given(st.text())
def test_any_docstring_can_be_read(text: str) -> None:
    read_docstring(text)

"""Each keyword is enforced, checked or refused, and what is refused says where and why."""

from typing import Any

import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.admission import Handling, RefusedSchemaError, SchemaAdmission, choice_pattern
from octupus.decoding.turn_factory import TurnFactory
from octupus.errors import ConfigError
from octupus.schema.patterns import parse_pattern

from .turns import factory


@pytest.fixture(scope="module")
def made(tokenizer: ChatTokenizer) -> TurnFactory:
    return factory(OCTUPUS, tokenizer)


def in_object(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, "required": ["a"]}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = in_object(schema)
    return schema


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "/properties/a/uniqueItems"),
        ({"type": "array", "contains": {"type": "integer"}}, "/properties/a/contains"),
        (
            {"type": "object", "unevaluatedProperties": {"type": "integer"}, "anyOf": [{"required": ["x"]}, {}]},
            "/properties/a/unevaluatedProperties",
        ),
        ({"type": "integer", "oneOf": [{"multipleOf": 3}, {"multipleOf": 5}]}, "/properties/a/oneOf"),
        ({"type": "string", "not": {"pattern": "^a"}}, "/properties/a/not"),
        ({"type": "string", "pattern": "(?=x)"}, "/properties/a/pattern"),
    ],
)
def test_what_cannot_be_enforced_is_refused_with_its_place_or_checked(
    made: TurnFactory, schema: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(RefusedSchemaError) as refused:
        SchemaAdmission(made).arguments(in_object(schema))
    assert any(pointer in item.json_pointer for item in refused.value.refusals)
    assert all(item.explanation for item in refused.value.refusals)
    admitted = SchemaAdmission(made, on_unenforceable="check").arguments(in_object(schema))
    assert any(pointer in item.json_pointer for item in admitted.checked)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (in_object({"$ref": "http://example.com/x"}), "example.com"),
        (in_object({"$ref": "#/$defs/missing"}), "missing"),
        (in_object({"type": "integer", "minimum": 3, "maximum": 2}), "/properties/a"),
        (in_object({"enum": [1, 2], "type": "string"}), "/properties/a"),
        ({"$ref": "#"}, "ref"),
        (nested(1000), "deep"),
        ({"type": "object", "properties": {"a": {"description": "y" * 2**20}}}, "longer than 262144"),
        ({"type": "array"}, "object"),
        ({"type": "objekt"}, "/type"),
    ],
)  # fmt: skip
def test_schemas_that_nothing_can_hold_are_refused_even_where_checking_is_allowed(
    made: TurnFactory, schema: dict[str, Any], said: str
) -> None:
    with pytest.raises(RefusedSchemaError, match=said):
        SchemaAdmission(made, on_unenforceable="check").arguments(schema)


def test_large_enums_and_nested_repeats_are_answered(made: TurnFactory) -> None:
    admission = SchemaAdmission(made)
    assert admission.arguments(in_object({"enum": [f"value {i}" for i in range(5000)]})).value.backend
    with pytest.raises(RefusedSchemaError, match="remainders"):
        SchemaAdmission(made, "llguidance").arguments(in_object({"type": "integer", "multipleOf": 123456789}))
    assert admission.arguments(in_object({"type": "number", "multipleOf": 0.01}))
    with pytest.raises(RefusedSchemaError):
        admission.arguments(in_object({"type": "string", "pattern": "((a{0,100}){0,100}){0,100}"}))


def test_auto_takes_the_first_backend_that_enforces_the_schema(made: TurnFactory) -> None:
    schema = in_object({"type": "string"})
    assert SchemaAdmission(made).arguments(schema).value.backend == "llguidance"
    assert SchemaAdmission(made, "lm-format-enforcer").arguments(schema).value.backend == "lm-format-enforcer"
    with pytest.raises(ConfigError, match="known backends: auto, llguidance"):
        SchemaAdmission(made, "outlines")


def test_verdicts_name_every_keyword_that_restricts(made: TurnFactory) -> None:
    schema = in_object(
        {
            "type": "array",
            "description": "x",
            "uniqueItems": True,
            "items": {"type": "integer", "format": "int32", "x-unit": "m"},
        }
    )
    verdicts = {v.json_pointer: v.handling for v in SchemaAdmission(made).verdicts(schema, "llguidance")}
    assert verdicts == {
        "/type": Handling.ENFORCED,
        "/properties": Handling.ENFORCED,
        "/required": Handling.ENFORCED,
        "/properties/a/type": Handling.ENFORCED,
        "/properties/a/items": Handling.ENFORCED,
        "/properties/a/items/type": Handling.ENFORCED,
        "/properties/a/uniqueItems": Handling.REFUSED,
    }
    checked = SchemaAdmission(made, on_unenforceable="check").verdicts(schema, "llguidance")
    assert [v.json_pointer for v in checked if v.handling is Handling.CHECKED] == ["/properties/a/uniqueItems"]


def test_patterns_of_whole_texts(made: TurnFactory) -> None:
    admission = SchemaAdmission(made)
    assert admission.pattern("a{3}|b{5}") <= 3
    for pattern in ("(", "(?=a)", r"(a)\1", "[^\\s\\S]"):
        with pytest.raises(RefusedSchemaError):
            admission.pattern(pattern)


def test_choices_are_matched_literally() -> None:
    choices = ["a.b", "(x|y)*", "[^]", "back\\slash", "", "否 \n?"]
    pattern = parse_pattern(choice_pattern(choices), whole=True)
    for text in [*choices, "axb", "x", "xx", "back", " "]:
        assert pattern.accepts(pattern.after(pattern.start(), text)) == (text in choices), text

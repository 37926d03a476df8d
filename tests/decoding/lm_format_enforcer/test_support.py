"""What is not enforced exactly is named, with its place in the schema as its author wrote it."""

from typing import Any

import pytest

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.lm_format_enforcer import FormatEnforcerBackend
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.schema.normal import NormalSchema

from .schemas import closed


@pytest.fixture(scope="module")
def backend(tokenizer: ChatTokenizer) -> FormatEnforcerBackend:
    return FormatEnforcerBackend(TokenVocabulary(tokenizer))


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"type": "string", "pattern": "^a$"}, "pattern"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "minLength"),
        ({"type": "integer", "multipleOf": 3}, "multipleOf"),
        ({"type": "integer", "minimum": 0.5, "maximum": 0.75}, "minimum"),
        ({"type": "number", "exclusiveMinimum": 0}, "exclusiveMinimum"),
        ({"type": "array", "prefixItems": [{"type": "null"}]}, "prefixItems"),
        ({"type": "array", "items": False, "minItems": 1}, "minItems"),
        ({"type": "object", "properties": {"a": {}}}, "additionalProperties"),
        ({"type": "object", "minProperties": 1}, "minProperties"),
        ({"type": "object", "patternProperties": {"a": {}}}, "patternProperties"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "required"),
        ({"enum": []}, "enum"),
        ({"enum": [[1]]}, "enum"),
        ({"enum": ["\ud800"]}, "enum"),
        ({"anyOf": [{"type": "string", "maxLength": length} for length in range(100)]}, "anyOf"),
    ],
)
def test_what_is_not_enforced_is_named(backend: FormatEnforcerBackend, schema: dict[str, Any], keyword: str) -> None:
    whole = closed({"a": schema})
    found = backend.check(NormalSchema(whole, (), {id(schema): "/properties/a"}))
    assert [(one.keyword, one.json_pointer) for one in found] == [(keyword, f"/properties/a/{keyword}")]
    assert found[0].explanation


def test_references_that_lead_nowhere_are_named(backend: FormatEnforcerBackend) -> None:
    loop: dict[str, Any] = {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}}
    assert {one.keyword for one in backend.check(NormalSchema(loop, (), {}))} == {"$ref", "anyOf"}
    assert backend.check(NormalSchema({"$ref": "#/$defs/b", "$defs": {}}, (), {}))[0].keyword == "$ref"


def test_large_schemas_are_admitted(backend: FormatEnforcerBackend) -> None:
    deep: dict[str, Any] = {"type": "null"}
    for _ in range(1000):
        deep = {"type": "array", "items": deep}
    wide = closed({f"name{number}": {"enum": [f"{number}-{value}" for value in range(50)]} for number in range(200)})
    assert backend.check(NormalSchema(deep, (), {})) == []
    assert backend.check(NormalSchema(wide, (), {})) == []

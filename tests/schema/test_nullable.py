"""OpenAPI's `nullable` means what its author meant."""

from octupus.schema.nullable import spelled_out
from octupus.schema.validation import violations


def test_null_is_admitted_where_it_is_meant_to_be() -> None:
    schema = {
        "type": "object",
        "properties": {
            "nullable": {"type": "string", "nullable": True},
            "unit": {"type": "string", "enum": ["c", "f"], "nullable": True},
            "list": {"type": "array", "items": {"type": ["integer", "null"], "nullable": True}},
            "strict": {"type": "integer", "nullable": False},
            "loose": {"nullable": True},
        },
    }
    rewritten = spelled_out(schema)
    assert not violations(rewritten, {"nullable": None, "unit": None, "list": [None, 1], "loose": None})
    assert violations(rewritten, {"strict": None})
    assert violations(rewritten, {"unit": "k"})
    assert schema["properties"]["unit"]["enum"] == ["c", "f"], "the original is left as it is"


def test_a_schema_without_it_stays_the_same() -> None:
    schema = {"type": "object", "properties": {"nullable": {"type": "boolean"}}}
    assert spelled_out(schema) == schema

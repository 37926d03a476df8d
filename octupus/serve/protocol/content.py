"""What a request asks of content: `response_format`, and vLLM's `structured_outputs`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from octupus.errors import RequestError
from octupus.schema.validation import parse_json
from octupus.serve.protocol.fields import Input
from octupus.serve.protocol.turn_request import ContentRule


class JsonSchemaFormat(Input):
    """What `response_format` of type json_schema asks for."""

    name: str = "response"
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Input):
    """What content must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class StructuredOutputs(Input):
    """vLLM's own field for what content must be; exactly one of its keys is given."""

    json_: Annotated[dict[str, Any] | str | None, Field(alias="json")] = None
    json_object: bool | None = None
    regex: str | None = None
    choice: Annotated[list[str], Field(min_length=1)] | None = None


def content_rule_of(wanted: ResponseFormat | None, given: StructuredOutputs | None) -> ContentRule | None:
    """What a request asks of content; None where any text will do. Raises RequestError."""
    if given is None:
        if wanted is None or wanted.type == "text":
            return None
        if wanted.type == "json_object":
            return ContentRule("response_format", schema={"type": "object"})
        if wanted.json_schema is None:
            raise RequestError("response_format: json_schema is missing", "response_format.json_schema")
        return ContentRule("response_format.json_schema.schema", schema=wanted.json_schema.schema_ or {})
    if wanted is not None and wanted.type != "text":
        raise RequestError("give response_format or structured_outputs, not both", "structured_outputs")
    present = [name for name in ("json_", "json_object", "regex", "choice") if getattr(given, name)]
    if len(present) != 1:
        raise RequestError(
            "structured_outputs: give exactly one of json, json_object, regex, choice", "structured_outputs"
        )
    field = f"structured_outputs.{present[0].rstrip('_')}"
    if given.choice:
        return ContentRule(field, choices=tuple(given.choice))
    if given.regex:
        return ContentRule(field, regex=given.regex)
    return ContentRule(field, schema={"type": "object"} if given.json_object else _schema_of(given.json_, field))


def _schema_of(value: dict[str, Any] | str | None, field: str) -> dict[str, Any]:
    if not isinstance(value, str):
        return value or {}
    try:
        schema = parse_json(value)
    except ValueError as error:
        raise RequestError(f"{field}: not valid JSON: {error}", field) from error
    if not isinstance(schema, dict):
        raise RequestError(f"{field}: a schema is a JSON object", field)
    return schema

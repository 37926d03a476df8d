"""How request bodies are read: unknown fields are ignored, a wrong type is refused with the field's path."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from octupus.errors import RequestError
from octupus.schema.validation import parse_json

_FIELD_NAME = re.compile(r"[a-z_]+")
_PLAIN_TYPES = {"str", "int", "float", "bool", "list", "dict"}


class Input(BaseModel):
    """Base of what clients send. Clients send more fields every month, so those that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, strict=True)


_Model = TypeVar("_Model", bound=Input)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises RequestError."""
    try:
        value = parse_json(body.decode())
    except ValueError as error:
        raise RequestError(f"the body is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object", code="invalid_json")
    if rb"\ud" in body.lower():
        _refuse_lone_surrogates(value)
    return value


def validated(model: type[_Model], value: Any) -> _Model:
    """`value` as `model`. Raises RequestError naming the field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        field, message = _clearest([(_path(each["loc"]), each["msg"]) for each in found])
        raise RequestError(f"{field}: {message}", field) from error


def _clearest(errors: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Of the first field that is wrong, the deepest error: a union tells what every member found, the right one last.

    `errors` are paths and messages, at least one.
    """
    field = errors[0][0]
    return max((each for each in errors if f"{each[0]}.".startswith(f"{field}.")), key=lambda each: each[0].count("."))


def _refuse_lone_surrogates(value: Any) -> None:
    """Half a pair of \\u escapes is no character, and no tokenizer takes it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = f"the body holds \\u{ord(error.object[error.start]):04x}, half of a pair that makes a character"
        raise RequestError(message, code="invalid_json") from error


def _path(location: Sequence[Any]) -> str:
    # pydantic puts the names of a union's members into the path: plain types, or names with capitals or brackets.
    return ".".join(
        str(part)
        for place, part in enumerate(location)
        if isinstance(part, int) or (_FIELD_NAME.fullmatch(part) and not (place and part in _PLAIN_TYPES))
    )

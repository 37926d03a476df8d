"""What clients of /stream send: ToolBench's fields, with ours beside them."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from octupus.config import nearest
from octupus.errors import RequestError
from octupus.schema.validation import InvalidJsonError, parse_json


class StreamRequest(BaseModel):
    """A question, and how it is to be worked on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    text: str = Field(min_length=1)
    """The question."""
    top_k: int | None = Field(default=None, ge=1)
    """How many tools are offered, the nearest ones; of no effect where all are."""
    method: str | None = None
    """One of those that /methods lists."""
    seed: int | None = None
    """Everything that is drawn follows from it and the text."""


_Model = TypeVar("_Model", bound=BaseModel)


def read_request(body: bytes, model: type[_Model]) -> _Model:
    """The request in a body. Raises RequestError that names the field."""
    try:
        value = parse_json(body.decode())
        if not isinstance(value, dict):
            raise InvalidJsonError("it is no object")
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            meant = nearest(path, model.model_fields) or ", ".join(model.model_fields)
            raise RequestError(f"{path}: this field is unknown; did you mean {meant}?", path) from error
        raise RequestError(f"{path}: {first['msg']}", path) from error
    except ValueError as error:  # InvalidJsonError, and bytes that are no UTF-8
        raise RequestError(f"the body is not a JSON object: {error}", code="invalid_json") from error

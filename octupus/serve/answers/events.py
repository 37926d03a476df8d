"""Server-sent events and OpenAI's error envelope."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from octupus.errors import RequestError

DONE = "data: [DONE]\n\n"


def sse(value: BaseModel) -> str:
    """One event holding a response object; fields that were never set are left out, as OpenAI does."""
    return f"data: {value.model_dump_json(exclude_unset=True)}\n\n"


def error_envelope(message: str, kind: str, parameter: str | None = None, code: str | None = None) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": kind, "param": parameter, "code": code}}


def request_error_envelope(error: RequestError) -> dict[str, Any]:
    """The envelope of a refused request."""
    return error_envelope(str(error), "invalid_request_error", error.parameter, error.code)


def sse_error(envelope: dict[str, Any]) -> str:
    """An error in a stream that has begun. No [DONE] follows it, so that no client takes the stream for whole."""
    return f"data: {json.dumps(envelope, ensure_ascii=False)}\n\n"

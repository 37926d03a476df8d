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


class EventFrame:
    """An event of which one string varies, written without building its objects anew for each token."""

    VARIABLE = "\x00variable\x00"
    """What stands in the frame's place of the string; no name or text of a frame holds it."""

    def __init__(self, value: BaseModel) -> None:
        self._before, self._after = sse(value).split(json.dumps(self.VARIABLE))

    def filled(self, text: str) -> str:
        """The event with `text`."""
        return f"{self._before}{json.dumps(text, ensure_ascii=False)}{self._after}"


def error_envelope(message: str, kind: str, parameter: str | None = None, code: str | None = None) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": kind, "param": parameter, "code": code}}


def error_type(status: int) -> str:
    """The `type` of an error with this status.

    A wrong API key is an `invalid_request_error` (with the code `invalid_api_key`), as OpenAI answers it.
    """
    if status >= 500:
        return "server_error"
    return {408: "timeout_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")


def request_error_envelope(error: RequestError) -> dict[str, Any]:
    """The envelope of a refused request."""
    return error_envelope(str(error), error_type(error.status), error.parameter, error.code)


def error_json(envelope: dict[str, Any]) -> str:
    """The envelope as JSON in ASCII: a message may quote half a surrogate pair, which UTF-8 cannot write."""
    return json.dumps(envelope, ensure_ascii=True)


def sse_error(envelope: dict[str, Any]) -> str:
    """An error in a stream that has begun. No [DONE] follows it, so that no client takes the stream for whole."""
    return f"data: {error_json(envelope)}\n\n"

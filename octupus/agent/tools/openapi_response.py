"""An HTTP response as the result of a tool call."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from octupus.agent.tools.bounded_http import Received
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import ToolResult
from octupus.conversation import json_text
from octupus.schema.validation import InvalidJsonError, parse_json

MESSAGE_CHARACTERS = 1000
"""Most of a server's message that a model is told."""

_STATUSES = {
    401: Status.UNAUTHORIZED,
    402: Status.UNSUBSCRIBED,
    403: Status.UNSUBSCRIBED,
    404: Status.NOT_FOUND,
    429: Status.RATE_LIMIT,
}
_MESSAGES = ("message", "detail", "error_description", "error", "errors", "title")
"""Where servers write what is wrong: RFC 9457, OAuth, FastAPI and habit."""


def status_of(code: int) -> Status:
    """What an HTTP status says of a call."""
    if 200 <= code < 300:
        return Status.OK
    return _STATUSES.get(code, Status.TOOL_ERROR if 400 <= code < 500 else Status.REQUEST_ERROR)


def result_of(received: Received) -> ToolResult:
    """JSON as it came, other text as a JSON string, anything else by its type and size; or what is wrong."""
    status = status_of(received.status)
    if status is not Status.OK:
        phrase = HTTPStatus(received.status).phrase if received.status in set(HTTPStatus) else ""
        said = _message(received)
        text = " ".join(part for part in (f"HTTP {received.status}", phrase) if part)
        return ToolResult(status, f"{text}: {said}" if said else text)
    if not received.body:
        return ToolResult(status, "null")
    if _is_json(received.media_type):
        try:
            return ToolResult(status, json_text(parse_json(received.text)))
        except InvalidJsonError as error:
            return ToolResult(Status.REQUEST_ERROR, f"the server's answer says that it is JSON, and is not: {error}")
    if _is_text(received.media_type):
        return ToolResult(status, json_text(received.text))
    return ToolResult(status, json_text({"media_type": received.media_type, "bytes": len(received.body)}))


def _is_json(media_type: str) -> bool:
    return media_type.endswith(("/json", "+json"))


def _is_text(media_type: str) -> bool:
    return not media_type or media_type.startswith("text/") or media_type.endswith(("xml", "/yaml", "/javascript"))


def _message(received: Received) -> str:
    text = received.text
    if _is_json(received.media_type):
        with suppress(InvalidJsonError):
            text = _said(parse_json(text))
    elif not _is_text(received.media_type):
        return ""
    text = " ".join(text.split())
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        for key in _MESSAGES:
            if value.get(key):
                return _said(value[key])
    return value if isinstance(value, str) else json_text(value)

"""Arguments of a tool call as an HTTP request: paths, queries, headers and bodies as OpenAPI serialises them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from octupus.conversation import json_text

Place = Literal["path", "query", "header"]

_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_STEPS = re.compile(r"[/\\]")
_DOTS = (".", "..")
_DELIMITERS = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}
"""Of query parameters that are not exploded; a comma else."""
_EXACT_INTEGERS = 2.0**53


class BadArgumentError(Exception):
    """An argument satisfies its schema, yet cannot be sent as the document says; the message is for the model."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: the argument that holds its value, and how the value is sent."""

    argument: str
    name: str
    place: Place
    style: str
    explode: bool
    as_json: bool = False
    """Whether the value is sent as JSON text."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent: `target` is what follows the base address, percent-encoded; `body` is JSON."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """How the arguments of one tool become a request."""

    method: str
    path: str
    """With parameters in braces."""
    parameters: tuple[Parameter, ...]
    body_argument: str | None = None
    """The argument that is the whole body."""
    body_properties: frozenset[str] = frozenset()
    """Arguments that are properties of the body, when no single one is."""
    body_required: bool = False
    media_type: str = "application/json"

    def request(self, arguments: Mapping[str, Any]) -> HttpRequest:
        """The request that sends `arguments`. Raises BadArgumentError."""
        values = [(parameter, arguments.get(parameter.argument)) for parameter in self.parameters]
        try:
            queries = [
                pair for parameter, value in values if parameter.place == "query" for pair in _query(parameter, value)
            ]
            target = self._target(
                {parameter.name: _segment(parameter, value) for parameter, value in values if parameter.place == "path"}
            )
            headers = {
                parameter.name: _header(parameter, value)
                for parameter, value in values
                if parameter.place == "header" and value is not None
            }
            body = self._body(arguments)
        except UnicodeEncodeError:
            raise BadArgumentError("an argument holds half of a character, which cannot be sent") from None
        if queries:
            target += ("&" if "?" in target else "?") + "&".join(queries)
        if body is not None:
            headers["Content-Type"] = self.media_type
        return HttpRequest(self.method, target, headers, body)

    def _target(self, segments: Mapping[str, str]) -> str:
        pieces = _TEMPLATE.split(self.path)  # literal, name, literal, name, ..., literal
        target = "".join(
            segments[piece] if position % 2 else quote(piece, safe="/:@!$&'()*+,;=~%?")
            for position, piece in enumerate(pieces)
        )
        if any(step in _DOTS for step in target.split("/")):
            raise BadArgumentError("the arguments would make a path with . or .. in it, which means another operation")
        return target

    def _body(self, arguments: Mapping[str, Any]) -> bytes | None:
        if self.body_argument is not None:
            if self.body_argument not in arguments:
                return None
            return json_text(arguments[self.body_argument]).encode()
        body = {name: value for name, value in arguments.items() if name in self.body_properties}
        return json_text(body).encode() if body or self.body_required else None


def template_names(path: str) -> list[str]:
    """The parameters in a path's braces."""
    return _TEMPLATE.findall(path)


def _text(value: Any) -> str:
    """A value as it stands outside JSON; values within values have no such form and stay JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return str(int(value))
    return json_text(value)


def _encoded(value: Any) -> str:
    return quote(_text(value), safe="")


def _query(parameter: Parameter, value: Any) -> list[str]:
    """`name=value` pairs. `allowReserved` is not used: encoding what need not be means the same."""
    if value is None:
        return []
    name, delimiter = quote(parameter.name, safe=""), _DELIMITERS.get(parameter.style, ",")
    if parameter.as_json:
        return [f"{name}={quote(json_text(value), safe='')}"]
    if isinstance(value, dict):
        if parameter.style == "deepObject":
            return [
                f"{name}%5B{quote(key, safe='')}%5D={_encoded(item)}"
                for key, member in value.items()
                for item in (member if isinstance(member, list) else [member])
            ]
        if parameter.explode:
            return [f"{quote(key, safe='')}={_encoded(member)}" for key, member in value.items()]
        return [f"{name}={_joined(value, delimiter, delimiter)}"]
    if isinstance(value, list):
        if parameter.explode:
            return [f"{name}={_encoded(item)}" for item in value]
        return [f"{name}={delimiter.join(map(_encoded, value))}"]
    return [f"{name}={_encoded(value)}"]


def _segment(parameter: Parameter, value: Any) -> str:
    """A value within the path."""
    if value is None or value in ("", [], {}):
        raise BadArgumentError(f"{parameter.argument} must not be empty: it is part of the path")
    if any(step in _DOTS for step in _STEPS.split(_text(value))):
        # Encoded or not, servers and proxies read this as another path.
        raise BadArgumentError(f"{parameter.argument} must not have . or .. as a step of a path")
    if parameter.as_json:
        return quote(json_text(value), safe="")
    if parameter.style == "matrix":
        return _matrix(parameter, value)
    prefix, separator = (".", "." if parameter.explode else ",") if parameter.style == "label" else ("", ",")
    if isinstance(value, dict):
        return prefix + _joined(value, "=" if parameter.explode else ",", separator)
    return prefix + (separator.join(map(_encoded, value)) if isinstance(value, list) else _encoded(value))


def _matrix(parameter: Parameter, value: Any) -> str:
    name = quote(parameter.name, safe="")
    if isinstance(value, dict):
        return ";" + _joined(value, "=", ";") if parameter.explode else f";{name}={_joined(value, ',', ',')}"
    if isinstance(value, list) and parameter.explode:
        return "".join(f";{name}={_encoded(item)}" for item in value)
    return f";{name}=" + (",".join(map(_encoded, value)) if isinstance(value, list) else _encoded(value))


def _joined(value: Mapping[str, Any], between: str, separator: str) -> str:
    return separator.join(f"{quote(key, safe='')}{between}{_encoded(member)}" for key, member in value.items())


def _header(parameter: Parameter, value: Any) -> str:
    if parameter.as_json:
        text = json_text(value)
    elif isinstance(value, dict):
        between = "=" if parameter.explode else ","
        text = ",".join(f"{key}{between}{_text(member)}" for key, member in value.items())
    else:
        text = ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise BadArgumentError(f"{parameter.argument} is sent as an HTTP header: printable ASCII characters only")
    return text

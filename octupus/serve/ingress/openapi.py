"""The OpenAPI document: request bodies are read by octupus itself, so FastAPI must be told what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from octupus.serve.ingress.paths import GENERATING

_REFERENCE = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
EVENT = {
    "type": "object",
    "description": "Of each server-sent event; OpenAPI has no other place for it.",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
_FAILURES = ("400", "401", "404", "405", "408", "413", "422", "429", "500", "503")


def described(body: type[BaseModel]) -> dict[str, Any]:
    """The part of an operation that says what its body is."""
    schema = {"$ref": _REFERENCE.format(model=body.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def openapi_of(api: FastAPI, bodies: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The document of `api` with the schemas of `bodies`, and of errors, which look alike everywhere."""
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, routes=api.routes)
        _, definitions = models_json_schema([(body, "validation") for body in bodies], ref_template=_REFERENCE)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= definitions.get("$defs", {}) | {"Error": _ERROR}
        failure = {
            "description": "An error in OpenAI's envelope.",
            "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model="Error")}}},
        }
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["parameters"] = _parameters(path)
                operation["responses"]["200"]["content"] = _content(path)
                operation["responses"] |= dict.fromkeys(_FAILURES, failure)
        api.openapi_schema = document
    return api.openapi_schema


def _parameters(path: str) -> list[dict[str, Any]]:
    """Those of the path itself; there are no others."""
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in re.findall(r"{(\w+)}", path)]


def _content(path: str) -> dict[str, Any]:
    """What a successful answer is, by media type."""
    route = path.removeprefix("/v1")
    if route == "/metrics":
        return {"text/plain": {"schema": {"type": "string"}}}
    whole = {"application/json": {"schema": {"type": "object"}}}
    return whole | {"text/event-stream": {"schema": EVENT}} if route in GENERATING else whole

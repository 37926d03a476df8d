"""What an operation of an OpenAPI document takes: parameters and body as one schema, and how they are sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from octupus.agent.tools.authorization import origin
from octupus.agent.tools.openapi_document import server_address
from octupus.agent.tools.openapi_request import Parameter, RequestPlan, template_names
from octupus.agent.tools.openapi_schema import InexpressibleError, Schemas
from octupus.schema.nullable import spelled_out
from octupus.schema.validation import check_schema

_STYLES = {"path": "simple", "query": "form", "header": "simple"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_ARGUMENTS = frozenset(
    {"authorization", "cookie", "accept", "content-type", "proxy-authorization"}
    | {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"}
)
"""Headers that belong to the client, whatever a document says."""
_MERGED_BODY = frozenset(
    {"type", "properties", "required", "title", "description", "additionalProperties", "deprecated", "nullable"}
    | {"default", "example", "examples", "readOnly", "writeOnly", "xml", "externalDocs", "$comment"}
)
"""A body whose schema says no more than this keeps its meaning when its properties stand beside the parameters."""


@dataclass(slots=True)
class _Arguments:
    """The one object schema that a tool's arguments are collected in."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)

    def add(self, name: str, schema: Any, required: bool) -> None:
        self.properties[name] = schema
        if required:
            self.required.append(name)

    def free_name(self, *wanted: str) -> str:
        count = 2
        for name in wanted:
            if name not in self.properties:
                return name
        while f"{wanted[-1]}_{count}" in self.properties:
            count += 1
        return f"{wanted[-1]}_{count}"

    def schema(self) -> dict[str, Any]:
        whole: dict[str, Any] = {"type": "object", "properties": self.properties, "additionalProperties": False}
        return {**whole, "required": self.required} if self.required else whole


@dataclass(frozen=True, slots=True)
class ReadOperation:
    """What an operation takes and how it is called."""

    plan: RequestPlan
    schema: dict[str, Any]
    """Of its arguments."""
    base: str
    """The address that the plan's target is put behind."""


class OperationReader:
    """Reads the operations of one document, which are called at `base` where they do not say otherwise."""

    def __init__(self, document: Mapping[str, Any], place: str, base: str) -> None:
        self.schemas = Schemas(document)
        self._place = place
        self._base = base
        self._keys = _declared_keys(self.schemas, document)

    def read(self, method: str, path: str, item: Mapping[str, Any], operation: Mapping[str, Any]) -> ReadOperation:
        """An operation of a path's item. Raises InexpressibleError."""
        base = self._address(item, operation)
        arguments = _Arguments()
        parameters = self._parameters(item, operation, arguments)
        missing = set(template_names(path)) - {each.name for each in parameters if each.place == "path"}
        if missing:
            raise InexpressibleError("a path parameter that is not described")
        plan = self._with_body(RequestPlan(method.upper(), path, tuple(parameters)), operation, arguments)
        schema = spelled_out(self.schemas.closed(arguments.schema()))
        if check_schema(schema) is not None:
            raise InexpressibleError("an invalid schema")
        return ReadOperation(plan, schema, base)

    def _address(self, item: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
        """Where an operation is called: it may say so itself, within the host. Raises InexpressibleError."""
        servers = operation.get("servers") or item.get("servers")
        address = server_address(servers, self._place) if servers else self._base
        if address is None or origin(address) != origin(self._base) or "?" in address or "#" in address:
            raise InexpressibleError("a server of its own")
        return address.rstrip("/")

    def _parameters(
        self, item: Mapping[str, Any], operation: Mapping[str, Any], arguments: _Arguments
    ) -> list[Parameter]:
        described: dict[tuple[str, str], dict[str, Any]] = {}
        for listed in (item.get("parameters") or [], operation.get("parameters") or []):
            for value in listed if isinstance(listed, list) else [None]:
                parameter = self.schemas.resolved(value)
                name, place = parameter.get("name"), parameter.get("in")
                if not isinstance(name, str) or not isinstance(place, str):
                    raise InexpressibleError("a broken document")
                if place == "header" and not _HEADER_NAME.fullmatch(name):
                    raise InexpressibleError("a broken document")
                described[name, place] = parameter  # the operation's own stands over the path's
        parameters = []
        for (name, place), parameter in described.items():
            if (name.lower(), place) in self._keys or (place == "header" and name.lower() in _NO_ARGUMENTS):
                continue
            if place not in _STYLES:
                if parameter.get("required") is True:
                    raise InexpressibleError(f"a {place} parameter")
                continue
            parameters.append(self._parameter(name, place, parameter, arguments))
        return parameters

    def _parameter(self, name: str, place: Any, described: Mapping[str, Any], arguments: _Arguments) -> Parameter:
        content = described.get("content")
        schema = described.get("schema", {})
        if isinstance(content, dict):
            media_type, medium = _json_medium(content)
            if media_type is None:
                raise InexpressibleError("a parameter that is no JSON")
            schema = medium.get("schema", {})
        description = {"description": described["description"]} if "description" in described else {}
        if isinstance(schema, dict) and "$ref" not in schema:
            schema = {**description, **(schema or {"type": "string"})}
        elif isinstance(schema, dict) and description:
            schema = {**description, "allOf": [schema]}  # up to 3.0, nothing may stand beside a reference
        argument = arguments.free_name(name, f"{name}_{place}")
        arguments.add(argument, schema, place == "path" or described.get("required") is True)
        style = described.get("style", _STYLES[place])
        explode = described.get("explode", style in ("form", "deepObject"))
        return Parameter(argument, name, place, str(style), explode is True, isinstance(content, dict))

    def _with_body(self, plan: RequestPlan, operation: Mapping[str, Any], arguments: _Arguments) -> RequestPlan:
        if "requestBody" not in operation:
            return plan
        body = self.schemas.resolved(operation["requestBody"])
        required = body.get("required") is True
        media_type, medium = _json_medium(body.get("content"))
        if media_type is None:
            kinds = sorted(body["content"]) if isinstance(body.get("content"), dict) else []
            raise InexpressibleError(f"a body of {kinds[0]}" if kinds else "a body without a type")
        written = medium.get("schema", {})
        whole = self.schemas.resolved(written) if isinstance(written, dict) else {}
        merged = _mergeable(whole, required) and not arguments.properties.keys() & whole["properties"].keys()
        if merged:
            names = [name for name, part in whole["properties"].items() if not _is_read_only(part)]
            for name in names:
                arguments.add(name, whole["properties"][name], name in whole.get("required", []))
        else:
            argument = arguments.free_name("body", "request_body")
            arguments.add(argument, written, required)
        return replace(
            plan,
            body_argument=None if merged else argument,
            body_properties=frozenset(names) if merged else frozenset(),
            body_required=required,
            media_type=media_type,
        )


def _mergeable(schema: Mapping[str, Any], required: bool) -> bool:
    """Whether a body's properties can be arguments of their own."""
    return (
        {key for key in schema if not key.startswith("x-")} <= _MERGED_BODY
        and schema.get("type", "object") == "object"
        and isinstance(schema.get("properties"), dict)
        and isinstance(schema.get("required", []), list)
        and all(name in list(schema["properties"]) for name in schema.get("required", []))
        and schema.get("additionalProperties", False) is False
        and schema.get("nullable") is not True
        # Of a body that may be left out whole, nothing can be demanded by itself.
        and (required or not schema.get("required"))
    )


def _is_read_only(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _json_medium(content: Any) -> tuple[str | None, dict[str, Any]]:
    """The first media type of JSON and what it says."""
    for media_type, medium in content.items() if isinstance(content, dict) else ():
        essence = media_type.partition(";")[0].strip().lower()
        if not (media_type.isascii() and media_type.isprintable()):
            continue
        if essence in ("application/json", "*/*", "application/*") or essence.endswith("+json"):
            sent = "application/json" if "*" in essence else media_type
            return sent, medium if isinstance(medium, dict) else {}
    return None, {}


def _declared_keys(schemas: Schemas, document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Name in lower case and place of what security schemes send: never an argument that a model writes."""
    components = document.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, dict) else None
    keys = set()
    for value in schemes.values() if isinstance(schemes, dict) else ():
        try:
            scheme = schemas.resolved(value)
        except InexpressibleError:
            continue
        if scheme.get("type") == "apiKey":
            keys.add((str(scheme.get("name")).lower(), str(scheme.get("in"))))
    return keys

"""The operations of an OpenAPI document as tools."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from octupus.agent.tools.openapi_reader import OperationReader, ReadOperation
from octupus.agent.tools.openapi_request import RequestPlan
from octupus.agent.tools.openapi_schema import InexpressibleError, Schemas
from octupus.agent.tools.selection import cut_description
from octupus.agent.tools.toolbox import ToolEntry
from octupus.conversation import FunctionDefinition, Tool
from octupus.schema.tool_names import safe_names

_METHODS = ("get", "post", "put", "patch", "delete")
_PATH_MARKS = re.compile(r"[/{}]+")


@dataclass(frozen=True, slots=True)
class Operation:
    """A tool and its request."""

    entry: ToolEntry
    plan: RequestPlan
    base: str
    """The address that the plan's target is put behind."""


def operations(document: Mapping[str, Any], place: str, base: str) -> tuple[list[Operation], Counter[str]]:
    """Every operation that can be a tool, in the document's order, and how many cannot, by reason."""
    reader = OperationReader(document, place, base)
    found: dict[str, tuple[dict[str, Any], ReadOperation]] = {}
    left_out: Counter[str] = Counter()
    for method, path, item, operation in _listed(reader.schemas, document, left_out):
        by_path = f"{method}_{_PATH_MARKS.sub('_', path).strip('_')}"
        name = _text_of(operation, "operationId") or by_path
        try:
            # An id that is used twice is against the rules, and happens.
            found[name if name not in found else f"{name}_{by_path}"] = (
                operation,
                reader.read(method, path, item, operation),
            )
        except InexpressibleError as error:
            left_out[str(error)] += 1
    names = safe_names(list(found))
    collection = _text_of(document.get("info"), "title") or place
    return [
        Operation(_entry(names[name], collection, operation, read), read.plan, read.base)
        for name, (operation, read) in found.items()
    ], left_out


def _entry(name: str, collection: str, operation: Mapping[str, Any], read: ReadOperation) -> ToolEntry:
    function = FunctionDefinition(name=name, description=_description(operation, read.plan), parameters=read.schema)
    own = _text_of(operation, "operationId") or f"{read.plan.method} {read.plan.path}"
    return ToolEntry(Tool(function=function), category=_first_tag(operation), collection=collection, api=own)


def _listed(
    schemas: Schemas, document: Mapping[str, Any], left_out: Counter[str]
) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Method, path, path item and operation of each operation."""
    for path, value in document.get("paths", {}).items():
        if path.startswith("x-"):
            continue
        try:
            item = schemas.resolved(value)
        except InexpressibleError as error:
            left_out[str(error)] += 1
            continue
        for method in _METHODS:
            if isinstance(item.get(method), dict):
                yield method, path, item, item[method]
            elif method in item:
                left_out["a broken document"] += 1


def _description(operation: Mapping[str, Any], plan: RequestPlan) -> str:
    summary, description = _text_of(operation, "summary"), _text_of(operation, "description")
    if summary and description and not description.startswith(summary):
        description = f"{summary}{'' if summary[-1] in '.!?。' else '.'} {description}"
    return cut_description(description or summary or f"{plan.method} {plan.path}")


def _first_tag(operation: Mapping[str, Any]) -> str:
    tags = operation.get("tags")
    return tags[0] if isinstance(tags, list) and tags and isinstance(tags[0], str) else ""


def _text_of(value: Any, key: str) -> str:
    text = value.get(key) if isinstance(value, dict) else None
    return " ".join(text.split()) if isinstance(text, str) else ""

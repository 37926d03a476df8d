"""OpenAPI's `nullable`, as JSON Schema says it: tools are often written by people who know OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octupus.schema.admission import walk


def spelled_out(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in which `nullable: true` beside a `type` has become that type or null; the same one where none is.

    As OpenAPI 3.0 has it, `nullable` means nothing without `type`, and an `enum` must list null itself; since hardly
    anybody knows that, null is added to it.
    """
    if not any(part.get("nullable") is True for _, part in walk(dict(schema))):
        return dict(schema)
    rewritten: dict[str, Any] = _copied(schema)
    for _, part in walk(rewritten):
        if part.get("nullable") is not True or "type" not in part:
            continue
        types = part["type"] if isinstance(part["type"], list) else [part["type"]]
        part["type"] = [*types, *(["null"] if "null" not in types else [])]
        if isinstance(part.get("enum"), list) and None not in part["enum"]:
            part["enum"] = [*part["enum"], None]
    return rewritten


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value

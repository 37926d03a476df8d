"""The last check of a finished turn, whatever its constraint promised: for constrained turns it must find nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from octupus.conversation import Message, Tool
from octupus.schema.normal import normalise
from octupus.schema.nullable import spelled_out
from octupus.schema.patterns import parse_pattern
from octupus.schema.validation import parse_arguments, parse_json, violations
from octupus.serve.protocol.turn_request import ContentRule

_CACHED_SCHEMAS = 1024


def invalid_calls(calls: Sequence[tuple[str, str]], tools: Sequence[Tool]) -> list[str]:
    """What is wrong with finished calls, given as (name, arguments)."""
    schemas = {tool.function.name: spelled_out(tool.function.parameters) for tool in tools}
    problems: list[str] = []
    for name, arguments in calls:
        if name not in schemas:
            problems.append(f"{name!r} is not among the tools")
            continue
        try:
            value = parse_arguments(arguments)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        problems += [f"{name}: {problem}" for problem in _problems(schemas[name], value)]
        if not problems:
            # Stricter than the author's schema in one thing: arguments that no tool declared.
            closed = _closed(json.dumps(schemas[name]))
            problems += [f"{name}: {problem}" for problem in _problems(closed, value)]
    return problems


def invalid_content(message: Message, rule: ContentRule | None) -> list[str]:
    """What is wrong with finished content."""
    if rule is None or message.content is None:
        return []
    text = message.content
    if rule.regex is not None:
        pattern = parse_pattern(rule.regex, whole=True)
        matched = pattern.accepts(pattern.after(pattern.start(), text))
        return [] if matched else [f"content does not match {rule.regex!r}"]
    if rule.choices:
        return [] if text in rule.choices else ["content is none of the choices"]
    try:
        value = parse_json(text, unique_keys=True)
    except ValueError as error:
        return [f"content: {error}"]
    return [f"content: {problem}" for problem in _problems(spelled_out(rule.schema or {}), value)]


@lru_cache(maxsize=_CACHED_SCHEMAS)
def _closed(schema: str) -> dict[str, Any]:
    return normalise(json.loads(schema), closed=True).schema


def _problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    return [f"{violation.message} at {violation.pointer or '/'}" for violation in violations(schema, value)]

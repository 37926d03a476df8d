"""Validation of arguments against a tool's schema: its own JSON Schema draft, strict JSON, nothing ever fetched."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs

from octupus.errors import OctupusError

CACHED_VALIDATORS = 4096
MAX_DEPTH = 200
"""A limit of our own: Python's depends on who calls, and the same text must be read the same everywhere."""
DEFAULT_DRAFT = "2020-12"
_VALIDATORS = {
    "2020-12": jsonschema_rs.Draft202012Validator,
    "2019-09": jsonschema_rs.Draft201909Validator,
    "draft-07": jsonschema_rs.Draft7Validator,
    "draft-06": jsonschema_rs.Draft6Validator,
    "draft-04": jsonschema_rs.Draft4Validator,
}
_DRAFT = re.compile(r"https?://json-schema\.org/(?:draft/)?(2020-12|2019-09|draft-0[467])/schema#?")
_BRACKETS_AND_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class InvalidJsonError(ValueError):
    """A text is no strict JSON; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class InvalidSchemaError(OctupusError):
    """A schema is no valid schema of its draft, or refers to something outside itself."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(f"invalid schema at {violation.pointer or '/'}: {violation.message}")
        self.violation = violation


@dataclass(frozen=True, slots=True)
class Violation:
    """What breaks a schema: where in the instance (a JSON pointer), which keyword, and in words."""

    pointer: str
    keyword: str
    message: str


class CompiledValidator:
    """A schema ready to validate many instances."""

    def __init__(self, validator: Any) -> None:
        self._validator = validator

    def is_valid(self, instance: Any) -> bool:
        """Whether the instance satisfies the schema."""
        return not self.violations(instance)

    def violations(self, instance: Any) -> list[Violation]:
        """Everything in `instance` that breaks the schema."""
        try:
            return [
                Violation(_pointer(error.instance_path), str(error.schema_path[-1]), error.message)
                for error in self._validator.iter_errors(instance)
            ]
        except ValueError as error:
            # Not the schema's business, yet nothing that may pass: a lone surrogate, or nesting beyond any limit.
            return [Violation("", "instance", str(error))]


def draft_of(schema: object) -> str:
    """The draft that `$schema` names: 2020-12 (also when it names none or another), 2019-09, draft-07, -06 or -04."""
    named = schema.get("$schema") if isinstance(schema, Mapping) else None
    found = _DRAFT.fullmatch(named) if isinstance(named, str) else None
    return found[1] if found else DEFAULT_DRAFT


def validator(schema: Mapping[str, Any]) -> CompiledValidator:
    """The compiled validator of a schema; equal schemas share one. Raises InvalidSchemaError."""
    compiled = _compile_cached(schema)
    if isinstance(compiled, Violation):
        raise InvalidSchemaError(compiled)
    return compiled


def violations(schema: Mapping[str, Any], instance: Any) -> list[Violation]:
    """Everything in `instance` that breaks `schema`. Raises InvalidSchemaError."""
    return validator(schema).violations(instance)


def check_schema(schema: Mapping[str, Any]) -> Violation | None:
    """What makes the schema itself invalid, or None. `pointer` and `keyword` are then places in the schema."""
    compiled = _compile_cached(schema)
    return compiled if isinstance(compiled, Violation) else None


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments of a call: strict JSON, an object, no key twice. Raises InvalidJsonError."""
    value = parse_json(text, unique_keys=True)
    if not isinstance(value, dict):
        raise InvalidJsonError(f"arguments must be a JSON object, not {json_type(value)}")
    return value


def parse_json(text: str, unique_keys: bool = False) -> Any:
    """Strict JSON: no NaN, no Infinity, no number beyond a double, at most MAX_DEPTH deep. Raises InvalidJsonError."""
    if _is_deep(text):
        raise InvalidJsonError(f"nested deeper than {MAX_DEPTH}")
    decoder = UNIQUE_KEYS_DECODER if unique_keys else STRICT_DECODER
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJsonError(error.msg, error.lineno, error.colno) from error
    except ValueError as error:
        raise InvalidJsonError(str(error)) from error


def _is_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _BRACKETS_AND_STRINGS.finditer(text):
        if found[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif found[0] in "]}":
            depth -= 1
    return False


def json_type(value: Any) -> str:
    """The JSON name of a parsed value's type, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a string" if isinstance(value, str) else "a number"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is beyond a double")
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} is written twice")
    return value


STRICT_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
"""For whole documents; raises ValueError. Use `parse_json` for one text."""
UNIQUE_KEYS_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique)


def _compile_cached(schema: Mapping[str, Any]) -> CompiledValidator | Violation:
    return _compile(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=CACHED_VALIDATORS)
def _compile(canonical: str) -> CompiledValidator | Violation:
    try:
        schema = json.loads(canonical)
        draft = _VALIDATORS[draft_of(schema)]
        # Without it, drafts up to 07 would assert `format`, and later ones would not.
        return CompiledValidator(draft(schema, validate_formats=False, retriever=_refuse_reference))
    except jsonschema_rs.ValidationError as error:
        path = list(error.instance_path)
        if error.kind.name == "$ref":
            return Violation("", "$ref", f"{error.message}; only references inside the schema are followed")
        keyword = next((part for part in reversed(path) if isinstance(part, str)), str(error.schema_path[-1]))
        return Violation(_pointer(path), keyword, error.message)
    except (ValueError, RecursionError) as error:
        return Violation("", "", str(error))


def _refuse_reference(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is never fetched")


def _pointer(path: Sequence[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)

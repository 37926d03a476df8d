"""The fields that launchers' files may have: JSON schemas, and precise errors for what does not fit them.

Launchers ignore most keys that they do not know, so a typo is found when the machines are paid for. The schemas in
schemas/ are closed: each names its source in `$comment`. For `ray up`, Ray's own schema comes first.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs

from octupus.config import nearest
from octupus.errors import ConfigError


class LaunchFileKind(Enum):
    """What reads a file; the value is the name of its schema."""

    RAY_UP = "ray_up"
    KUBERAY = "kuberay"
    SKYPILOT = "skypilot"
    RUNTIME_ENV = "runtime_env"
    SERVE = "serve"


def exact_share(keys: Collection[Any], known: Collection[str]) -> float:
    """Share of `keys` that are in `known`; 0 for no keys."""
    return sum(key in known for key in keys) / len(keys) if keys else 0.0


def known_share(keys: Collection[Any], known: Collection[str]) -> float:
    """Share of `keys` that are in `known`, or a typo away from one; 0 for no keys."""
    hits = sum(key in known or bool(difflib.get_close_matches(str(key), known, n=1, cutoff=0.75)) for key in keys)
    return hits / len(keys) if keys else 0.0


@cache
def top_level_keys(kind: LaunchFileKind) -> frozenset[str]:
    """The keys that a file of this kind may begin with."""
    return frozenset(key for schema in _schemas(kind) for key in schema["properties"])


def problems(kind: LaunchFileKind, values: Mapping[str, Any], origin: str) -> list[str]:
    """What is wrong with a file's fields, unknown keys first; empty when all are known and of the right type."""
    unknown: list[str] = []
    others: list[str] = []
    for schema, validator in zip(_schemas(kind), _validators(kind), strict=True):
        for error in validator.iter_errors(values):
            if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
                unknown += _unknown_keys(error, schema, origin)
            else:
                others.append(_explanation(error, origin))
    return list(dict.fromkeys(unknown + others))


@cache
def _schemas(kind: LaunchFileKind) -> tuple[Any, ...]:
    own = json.loads((files(__package__) / "schemas" / f"{kind.value}.json").read_text(encoding="utf-8"))
    return (json.loads(_ray_schema().read_text(encoding="utf-8")), own) if kind is LaunchFileKind.RAY_UP else (own,)


@cache
def _validators(kind: LaunchFileKind) -> tuple[Any, ...]:
    return tuple(jsonschema_rs.validator_for(schema) for schema in _schemas(kind))


def _ray_schema() -> Path:
    """Ray's schema of `ray up` files; importing ray to find it would take seconds."""
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None:
        raise ConfigError("ray is not installed, whose schema checks this file; run `make setup`")
    return Path(found.origin).parent / "autoscaler" / "ray-schema.json"


def _unknown_keys(error: Any, schema: Any, origin: str) -> Iterator[str]:
    for step in error.schema_path[:-1]:
        schema = schema[step]
    siblings = sorted(schema.get("properties", {}))
    prefix = "".join(f"{part}." for part in error.instance_path)
    for key in error.kind.unexpected:
        near = nearest(key, siblings)
        hint = f"did you mean {prefix + near!r}?" if near else f"known keys: {', '.join(siblings)}"
        yield f"unknown key {prefix + key!r} in {origin}; {hint}"


def _explanation(error: Any, origin: str) -> str:
    """One line for an error that is no unknown key; values are shown where they are names, never elsewhere."""
    kinds = jsonschema_rs.ValidationErrorKind
    place = ".".join(map(str, error.instance_path))
    if isinstance(error.kind, kinds.Required):
        return (
            f"{'.'.join([*map(str, error.instance_path), error.kind.property])!r} is required but not set in {origin}"
        )
    if isinstance(error.kind, kinds.Type):
        text = f"must be {' or '.join(error.kind.types)}, not {_type_name(error.instance)}"
    elif isinstance(error.kind, kinds.Enum):
        text = f"{error.instance!r} is none of {', '.join(map(str, error.kind.options))}"
    elif isinstance(error.kind, kinds.Constant):
        text = f"must be {error.kind.expected_value!r}"
    elif isinstance(error.kind, kinds.FalseSchema):
        text = "this provider does not take it; remove it"
    else:
        text = error.message
    return f"{place or 'the file'}: {text} (in {origin})"


def _type_name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)

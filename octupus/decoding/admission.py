"""Admission: what becomes of each keyword of a schema before anything is generated.

A keyword is *enforced* by the masks, *checked* once the value is finished, or *refused*, in which case the request
is. Only what no backend enforces is ever checked or refused.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from octupus.decoding.backends import AUTOMATIC, BACKENDS
from octupus.decoding.closing import TextPlan
from octupus.decoding.spec import ValueSpec
from octupus.decoding.turn_factory import TurnFactory
from octupus.errors import ConfigError, OctupusError
from octupus.schema.admission import KNOWN_FORMATS, walk
from octupus.schema.normal import NormalSchema, normalise
from octupus.schema.normal.errors import SchemaLimitError
from octupus.schema.normal.keywords import restricting
from octupus.schema.normal.limits import check_limits
from octupus.schema.nullable import spelled_out
from octupus.schema.patterns import PatternError, parse_pattern
from octupus.schema.unsupported import Unsupported
from octupus.schema.validation import InvalidSchemaError, draft_of

AUTO = "auto"
OnUnenforceable = Literal["refuse", "check"]
_CACHED_SCHEMAS = 4096
_ATTEMPTS = 16
"""Rounds of leaving out what a backend does not enforce, when that may be checked instead."""


class Handling(enum.Enum):
    """What becomes of a keyword."""

    ENFORCED = "enforced"
    CHECKED = "checked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One keyword of a schema."""

    keyword: str
    json_pointer: str
    handling: Handling
    explanation: str = ""


class RefusedSchemaError(OctupusError):
    """A schema is not admitted; `refusals` say why, the first one in the message."""

    def __init__(self, refusals: Sequence[Unsupported]) -> None:
        first = refusals[0]
        place = f"{first.keyword!r} at {first.json_pointer or '/'}: " if first.keyword else ""
        super().__init__(place + first.explanation)
        self.refusals = tuple(refusals)


@dataclass(frozen=True)
class AdmittedSchema:
    """A schema that can be constrained."""

    value: ValueSpec
    checked: tuple[Unsupported, ...]
    """What the masks do not hold; the finished value is held to the whole schema."""
    shortest: int
    """Tokens of a smallest value."""


class SchemaAdmission:
    """Admits schemas for one model. Answers are remembered."""

    def __init__(self, factory: TurnFactory, backend: str = AUTO, on_unenforceable: OnUnenforceable = "refuse") -> None:
        if backend not in (AUTO, *BACKENDS):
            raise ConfigError(f"unknown decoding backend {backend!r}; known backends: {', '.join((AUTO, *BACKENDS))}")
        self._factory = factory
        self._candidates = AUTOMATIC if backend == AUTO else (backend,)
        self._on_unenforceable = on_unenforceable
        self._admitted = lru_cache(maxsize=_CACHED_SCHEMAS)(self._admit)

    def warm(self) -> None:
        """Build the tables of the backends, which take seconds, before anybody waits for them."""
        normal = normalise({"type": "object", "properties": {"a": {"type": "string"}}}, closed=True)
        for name in self._candidates:
            backend = self._factory.backends.named(name)
            if not backend.check(normal):
                backend.start(normal.schema)

    def arguments(self, schema: Mapping[str, Any]) -> AdmittedSchema:
        """Admit the schema of a tool's arguments: an object, closed. Raises RefusedSchemaError."""
        return self._answer(schema, True)

    def value(self, schema: Mapping[str, Any]) -> AdmittedSchema:
        """Admit the schema of any JSON value. Raises RefusedSchemaError."""
        return self._answer(schema, False)

    def pattern(self, pattern: str) -> int:
        """Admit a regular expression for a whole text; tokens of its shortest match. Raises RefusedSchemaError."""
        try:
            plan = TextPlan(parse_pattern(pattern, whole=True), self._factory.vocabulary)
        except PatternError as error:
            raise RefusedSchemaError([Unsupported("regex", "", str(error))]) from error
        if plan.shortest is None:
            raise RefusedSchemaError([Unsupported("regex", "", "nothing matches it")])
        problem = self._factory.backends.guidance.pattern_error(pattern)
        if problem is not None:
            raise RefusedSchemaError([Unsupported("regex", "", problem)])
        return len(plan.shortest)

    def verdicts(self, schema: Mapping[str, Any], backend: str) -> list[Verdict]:
        """What becomes of every keyword of a tool's schema that restricts it, under one backend."""
        otherwise = Handling.CHECKED if self._on_unenforceable == "check" else Handling.REFUSED
        try:
            found = self._unenforced(schema, backend)
        except RefusedSchemaError as error:
            return [
                Verdict(item.keyword, item.json_pointer, Handling.REFUSED, item.explanation) for item in error.refusals
            ]
        verdicts = {
            item.json_pointer: Verdict(item.keyword, item.json_pointer, otherwise, item.explanation) for item in found
        }
        draft = draft_of(schema)
        for pointer, part in walk(dict(schema)):
            for keyword, value in restricting(part, draft).items():
                place = f"{pointer}/{keyword}"
                annotates = keyword == "format" and value not in KNOWN_FORMATS
                if not annotates and place not in verdicts:
                    verdicts[place] = Verdict(keyword, place, Handling.ENFORCED)
        return list(verdicts.values())

    def _unenforced(self, schema: Mapping[str, Any], backend: str) -> list[Unsupported]:
        normal = _normal(schema, True)
        return [*normal.unexpressed, *self._factory.backends.named(backend).check(normal)]

    def _answer(self, schema: Mapping[str, Any], closed: bool) -> AdmittedSchema:
        try:
            check_limits(schema)
        except SchemaLimitError as error:
            raise RefusedSchemaError([_refusal(error)]) from error
        answer = self._admitted(json.dumps(schema, ensure_ascii=False), closed)
        if isinstance(answer, RefusedSchemaError):
            raise RefusedSchemaError(answer.refusals)
        return answer

    def _admit(self, text: str, closed: bool) -> AdmittedSchema | RefusedSchemaError:
        try:
            normal = _normal(json.loads(text), closed)
            if closed and not _only_objects(normal.schema):
                raise RefusedSchemaError(
                    [Unsupported("type", "/type", 'arguments are an object; say "type": "object"')]
                )
            return self._choose(normal)
        except RefusedSchemaError as error:
            return error

    def _choose(self, normal: NormalSchema) -> AdmittedSchema:
        """The first backend that enforces everything, else the first one that enforces the rest."""
        refusals: list[Unsupported] = []
        if not normal.unexpressed:
            for name in self._candidates:
                found = self._factory.backends.named(name).check(normal)
                if not found:
                    return self._compiled(ValueSpec(normal.schema, name), ())
                refusals = refusals or found
        if self._on_unenforceable == "refuse":
            raise RefusedSchemaError([*normal.unexpressed, *refusals])
        for name in self._candidates:
            loosened, left_out = self._loosened(normal, name)
            if loosened is not None:
                return self._compiled(ValueSpec(loosened, name), (*normal.unexpressed, *left_out))
        raise RefusedSchemaError(refusals)

    def _loosened(self, normal: NormalSchema, backend: str) -> tuple[dict[str, Any] | None, list[Unsupported]]:
        """The schema without what `backend` does not enforce; None when that cannot be left out."""
        left_out: list[Unsupported] = []
        for _ in range(_ATTEMPTS):
            found = self._factory.backends.named(backend).check(normal)
            if not found:
                return normal.schema, left_out
            left_out += found
            places = {item.json_pointer for item in found}
            following = _without(normal, places)
            if following.schema == normal.schema:
                break
            normal = following
        return None, left_out

    def _compiled(self, value: ValueSpec, checked: tuple[Unsupported, ...]) -> AdmittedSchema:
        shortest = self._factory.plan(value).shortest
        if shortest is None:
            raise RefusedSchemaError([Unsupported("", "", "nothing satisfies the schema")])
        return AdmittedSchema(value, checked, len(shortest))


def choice_pattern(choices: Sequence[str]) -> str:
    """The regular expression that matches exactly `choices`."""
    return "|".join(f"(?:{_escape(choice)})" for choice in choices)


def _escape(text: str) -> str:
    # re.escape also escapes spaces and the like, which not every engine reads.
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


def _normal(schema: Mapping[str, Any], closed: bool) -> NormalSchema:
    try:
        check_limits(schema)
        return normalise(spelled_out(schema), closed=closed)
    except InvalidSchemaError as error:
        invalid = error.violation
        raise RefusedSchemaError(
            [Unsupported(invalid.keyword, invalid.pointer, f"not a valid JSON Schema: {invalid.message}")]
        ) from error
    except OctupusError as error:
        raise RefusedSchemaError([_refusal(error)]) from error


def _refusal(error: OctupusError) -> Unsupported:
    explanation = getattr(error, "explanation", str(error))
    return Unsupported(getattr(error, "keyword", ""), getattr(error, "pointer", ""), explanation)


def _only_objects(schema: Mapping[str, Any]) -> bool:
    """Whether every instance of a normal form is an object."""
    definitions = schema.get("$defs", {})
    waiting: list[Mapping[str, Any]] = [schema]
    seen: set[str] = set()
    while waiting:
        part = waiting.pop()
        if "$ref" in part:
            name = part["$ref"].removeprefix("#/$defs/")
            if name not in seen:
                seen.add(name)
                waiting.append(definitions[name])
        elif "anyOf" in part:
            waiting += part["anyOf"]
        elif not (part.get("type") == "object" or ("enum" in part and all(isinstance(v, dict) for v in part["enum"]))):
            return False
    return True


def _without(normal: NormalSchema, places: set[str]) -> NormalSchema:
    """The normal form with the keywords at some places of the original left out."""
    pointers: dict[int, str] = {}

    def copied(value: Any) -> Any:
        if isinstance(value, list):
            return [copied(item) for item in value]
        if not isinstance(value, dict):
            return value
        origin = normal.pointers.get(id(value))
        result = {key: copied(item) for key, item in value.items() if origin is None or f"{origin}/{key}" not in places}
        if origin is not None:
            pointers[id(result)] = origin
        return result

    return replace(normal, schema=copied(normal.schema), pointers=pointers)

"""Places of a schema, and the local references between them. Nothing is ever fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from octupus.schema.normal.errors import ReferenceSchemaError
from octupus.schema.unsupported import Unsupported

SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
SCHEMAS = (
    "additionalProperties",
    "additionalItems",
    "items",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A subschema and where it stands. Two places are the same when their `key` is."""

    schema: Any
    """An object or a boolean."""
    pointer: str
    """Into the original; for a subschema that a rewrite made up, the keyword that it came from."""
    key: str
    base: str
    """The URI that references are relative to."""
    written: bool = True
    """Whether the author wrote it."""

    def at(self, keyword: str) -> str:
        """The pointer of one of its keywords."""
        return f"{self.pointer}/{escaped(keyword)}" if self.written else self.pointer

    def unsupported(self, keyword: str, explanation: str) -> Unsupported:
        """That one of its keywords cannot be expressed; what a rewrite made up counts as the keyword it came from."""
        return Unsupported(keyword if self.written else self.pointer.rsplit("/", 1)[-1], self.at(keyword), explanation)

    def made(self, schema: Any, keyword: str, name: str = "") -> Place:
        """A subschema that says something of `keyword` in other words; `name` tells several apart."""
        return Place(schema, self.at(keyword), f"{self.key}/{escaped(keyword)}!{name}", self.base, written=False)


class References:
    """Every resource and anchor of one schema."""

    def __init__(self, schema: Any, draft: str) -> None:
        self._root = schema
        self._identifier = "id" if draft == "draft-04" else "$id"
        self._alone = draft in ("draft-04", "draft-06", "draft-07")
        self._places: dict[str, Place] = {}
        """By absolute URI, with the fragment of an anchor or without."""
        self._referring: list[Place] = []
        self.root = Place(schema, "", "", self._base_of(schema, ""))
        self._register()

    def check(self) -> None:
        """Raises ReferenceSchemaError where a `$ref` of any subschema leads nowhere."""
        for place in self._referring:
            self.resolve(place, place.schema["$ref"])

    def child(self, place: Place, *path: str | int) -> Place:
        """The subschema at a path of names and positions inside a place."""
        schema, base = place.schema, place.base
        for step in path:
            schema = schema[step]
            base = self._base_of(schema, base)
        suffix = "".join(f"/{escaped(str(step))}" for step in path)
        pointer = place.pointer + suffix if place.written else place.pointer
        return Place(schema, pointer, place.key + suffix, base, place.written)

    def resolve(self, place: Place, reference: str) -> Place:
        """Where the `$ref` of a place leads. Raises ReferenceSchemaError."""
        pointer = place.at("$ref")
        address, fragment = urldefrag(_joined(place.base, reference, pointer))
        resource = self._places.get(address)
        if resource is None:
            raise ReferenceSchemaError("$ref", pointer, f"{reference!r} leads outside the schema; put it into $defs")
        if not fragment:
            return resource
        if not fragment.startswith("/"):
            anchored = self._places.get(f"{address}#{unquote(fragment)}")
            if anchored is None:
                raise ReferenceSchemaError("$ref", pointer, f"no subschema has the anchor of {reference!r}")
            return anchored
        return self._inside(resource, fragment, reference, pointer)

    def _inside(self, resource: Place, fragment: str, reference: str, pointer: str) -> Place:
        missing = ReferenceSchemaError("$ref", pointer, f"{reference!r} leads to nothing in the schema")
        found: Any = resource.schema
        path: list[str | int] = []
        for token in fragment[1:].split("/"):
            name = unquote(token).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                path.append(name)
            elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(found):
                path.append(int(name))
            else:
                raise missing
            found = found[path[-1]]
        if not isinstance(found, (dict, bool)):
            raise missing
        return self.child(resource, *path)

    def _register(self) -> None:
        self._places[""] = self._places[urldefrag(self.root.base)[0]] = self.root
        waiting = [self.root]
        while waiting:
            place = waiting.pop()
            if isinstance(place.schema, dict):
                if isinstance(place.schema.get("$ref"), str):
                    self._referring.append(place)
                self._register_names(place)
                waiting.extend(self._children(place))

    def _register_names(self, place: Place) -> None:
        identifier = place.schema.get(self._identifier)
        address = urldefrag(place.base)[0]
        if isinstance(identifier, str) and not ("$ref" in place.schema and self._alone):
            if identifier.startswith("#"):
                self._places.setdefault(f"{address}{identifier}", place)
            else:
                self._places.setdefault(address, place)
        for keyword in ("$anchor", "$dynamicAnchor"):
            anchor = place.schema.get(keyword)
            if isinstance(anchor, str):
                self._places.setdefault(f"{address}#{anchor}", place)

    def _children(self, place: Place) -> list[Place]:
        found = []
        for keyword, value in place.schema.items():
            if keyword in SCHEMA_MAPS and isinstance(value, dict):
                found += [self.child(place, keyword, name) for name, inner in value.items() if isinstance(inner, dict)]
            elif keyword in SCHEMA_LISTS and isinstance(value, list):
                found += [self.child(place, keyword, at) for at, inner in enumerate(value) if isinstance(inner, dict)]
            elif keyword in SCHEMAS and isinstance(value, dict):
                found.append(self.child(place, keyword))
        return found

    def _base_of(self, schema: Any, base: str) -> str:
        if not isinstance(schema, dict) or ("$ref" in schema and self._alone):
            return base
        identifier = schema.get(self._identifier)
        if not isinstance(identifier, str) or identifier.startswith("#"):
            return base
        return _joined(base, identifier, "")


def escaped(name: str) -> str:
    """A name as one token of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _joined(base: str, reference: str, pointer: str) -> str:
    if reference.startswith("#"):
        # `urljoin` forgets the base of a URN.
        return urldefrag(base)[0] + reference
    try:
        return urljoin(base, reference) if reference else base
    except ValueError as error:
        raise ReferenceSchemaError("$ref", pointer, f"{reference!r} is no URI reference: {error}") from error

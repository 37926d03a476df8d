"""A schema in normal form as parsers of the library, every subschema made before the first character is read.

The library is given each object and array by itself, its members as placeholders; the reader puts a member's own
parsers in place when the member begins. So references need no resolving inside the library, recursion is a loop, and
each subschema has one parser with one identity, by which states are told apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from lmformatenforcer import CharacterLevelParser, CharacterLevelParserConfig, JsonSchemaParser
from lmformatenforcer.external.jsonschemaobject import JsonSchemaObject
from lmformatenforcer.jsonschemaparser import ListParsingState, ObjectParsingState, StringParsingState

from octupus.decoding.lm_format_enforcer.characters import ANY, QUOTE, encode
from octupus.decoding.lm_format_enforcer.leaves import Bounds, LiteralParser, NumberParser

Node = dict[str, Any]
Choices = tuple[CharacterLevelParser, ...]

_REFERENCE = "#/$defs/"
_SCALARS = (str, int, float, bool, type(None))


class Words(list[str]):
    """The strings of an enum that may still be meant; `enum` tells enums apart."""

    def __init__(self, words: list[str], enum: int) -> None:
        super().__init__(words)
        self.enum = enum


class Grammar:
    """The parsers of one normal form. Raises ValueError for one that `support` does not admit."""

    def __init__(self, schema: Node) -> None:
        self._schema = schema
        self._choices: dict[int, Choices] = {}
        # Parsers and states refer to these by id; they live as long as the grammar.
        self._members: dict[int, dict[str, Node]] = {}
        self._others: dict[int, Node] = {}
        # Only the reader admits white space, and only the schema limits arrays.
        self._config = CharacterLevelParserConfig(
            alphabet=ANY + QUOTE, max_consecutive_whitespaces=0, force_json_field_order=False, max_json_array_length=0
        )
        self._context = JsonSchemaParser._Context()
        self._context.model_class = _placeholder()
        self._context.alphabet_without_quotes = ANY
        self._kept: list[JsonSchemaObject] = []
        self._root = self.parser([])
        for node in walk(schema):
            self.choices(node)

    def parser(self, stack: list[CharacterLevelParser]) -> JsonSchemaParser:
        """The library's parser with that stack of open values."""
        return JsonSchemaParser(self._context, self._config, stack)

    def choices(self, node: Node) -> Choices:
        """The parsers of which one follows a value of the subschema, nested choices taken apart."""
        found = self._choices.get(id(node))
        if found is None:
            found = tuple(self._alternatives(node))
            self._choices[id(node)] = found
        return found

    def member(self, holder: ObjectParsingState, name: str) -> Choices:
        """The choices for the value of a property; `name` as the library read it."""
        identity = id(holder.schema_object)
        named = self._members.get(identity, {}).get(name)
        return self.choices(self._others[identity] if named is None else named)

    def item(self, holder: ListParsingState) -> Choices:
        """The choices for an item of an array."""
        return () if holder.max_items == 0 else self.choices(self._others[id(holder.list_member_type)])

    def _alternatives(self, node: Node) -> Iterator[CharacterLevelParser]:
        strings: list[str] = []
        literals: list[str] = []
        for part in flatten(node, self._schema):
            if "enum" in part:
                strings += [encode(value) for value in part["enum"] if isinstance(value, str)]
                literals += [json.dumps(value) for value in part["enum"] if not isinstance(value, str)]
            else:
                yield from self._typed(part, literals)
        if strings:
            words = Words(list(dict.fromkeys(strings)), id(node))
            yield StringParsingState(self._root, words, require_opening_quote=True)
        if literals:
            yield LiteralParser(tuple(dict.fromkeys(literals)))

    def _typed(self, node: Node, literals: list[str]) -> Iterator[CharacterLevelParser]:
        kind = node.get("type")
        if kind in (None, "boolean", "null"):
            literals += {"boolean": ["true", "false"], "null": ["null"]}.get(str(kind), ["true", "false", "null"])
        if kind in (None, "object"):
            yield self._object(node)
        if kind in (None, "array"):
            yield self._array(node)
        if kind in (None, "string"):
            yield StringParsingState(
                self._root, None, True, min_length=node.get("minLength"), max_length=node.get("maxLength")
            )
        if kind == "integer":
            yield NumberParser(bounds(node))
        if kind in (None, "number"):
            yield NumberParser(None)

    def _object(self, node: Node) -> ObjectParsingState:
        model = self._model()
        model.required = [encode(name) for name in node.get("required", ())]
        others = node.get("additionalProperties", {})
        if others is False:
            self._members[id(model)] = {encode(name): part for name, part in node.get("properties", {}).items()}
            model.properties = dict.fromkeys(self._members[id(model)], _placeholder())
        else:
            self._others[id(model)] = others
            model.additionalProperties = _placeholder()
        return ObjectParsingState(model, self._root)

    def _array(self, node: Node) -> ListParsingState:
        model = self._model()
        items = node.get("items", {})
        self._others[id(model)] = {} if items is False else items
        longest = 0 if items is False else node.get("maxItems")
        return ListParsingState(self._root, model, node.get("minItems"), longest)

    def _model(self) -> JsonSchemaObject:
        model = _placeholder()
        self._kept.append(model)
        return model


def bounds(node: Node) -> Bounds:
    """The integers that an integer schema admits."""
    lowest, highest = node.get("minimum"), node.get("maximum")
    return Bounds(None if lowest is None else math.ceil(lowest), None if highest is None else math.floor(highest))


def flatten(node: Node, schema: Node) -> Iterator[Node]:
    """What a subschema leaves to choose from, without anyOf and $ref. Raises ValueError when that has no end."""
    open_parts = [(node, 0)]
    while open_parts:
        part, depth = open_parts.pop()
        if depth > MOST_REFERENCES:
            raise ValueError(f"references and anyOf lead nowhere within {MOST_REFERENCES} steps")
        if "$ref" in part:
            open_parts.append((resolve(part["$ref"], schema), depth + 1))
        elif "anyOf" in part:
            open_parts += [(choice, depth + 1) for choice in reversed(part["anyOf"])]
            if len(open_parts) > MOST_CHOICES:
                raise ValueError(f"more than {MOST_CHOICES} alternatives")
        else:
            yield part


MOST_REFERENCES = 64
"""Steps of $ref and anyOf from one value to its types."""
MOST_CHOICES = 5000
"""Alternatives of one anyOf."""


def resolve(reference: str, schema: Node) -> Node:
    """The subschema that a reference names. Raises ValueError when there is none."""
    name = reference.removeprefix(_REFERENCE).replace("~1", "/").replace("~0", "~")
    found = schema.get("$defs", {}).get(name)
    if not reference.startswith(_REFERENCE) or not isinstance(found, dict):
        raise ValueError(f"{reference} names nothing in $defs")
    return found


def walk(schema: Node) -> Iterator[Node]:
    """Every subschema of a normal form, each once."""
    waiting: list[Any] = [schema]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if "enum" in node:
            continue
        for keyword in ("$defs", "properties", "patternProperties"):
            waiting += node.get(keyword, {}).values()
        waiting += [node.get("items"), node.get("additionalProperties")]
        waiting += [*node.get("anyOf", ()), *node.get("prefixItems", ())]


def is_scalar(value: object) -> bool:
    """Whether a JSON value holds no others."""
    return isinstance(value, _SCALARS)


def _placeholder() -> JsonSchemaObject:
    return JsonSchemaObject(type="null")

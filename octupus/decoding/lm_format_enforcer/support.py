"""What of a normal form is not enforced exactly, each keyword with its place.

An empty answer also means that every parser of the schema has been built: nothing is left to fail while text is
generated.
"""

from __future__ import annotations

from collections.abc import Iterator

from octupus.decoding.lm_format_enforcer.characters import encodable
from octupus.decoding.lm_format_enforcer.grammar import Grammar, Node, bounds, flatten, is_scalar, walk
from octupus.decoding.lm_format_enforcer.leaves import MOST_DIGITS
from octupus.schema.normal import NormalSchema
from octupus.schema.unsupported import Unsupported

MOST_ALTERNATIVES = 64
"""Alternatives of one value that begin alike, not counting the values of enums."""
_NOT_FOLLOWED = {
    "pattern": "strings are not held to patterns",
    "multipleOf": "numbers are not held to multiples",
    "prefixItems": "items are not told apart by their place",
    "patternProperties": "properties are not told apart by patterns",
    "minProperties": "properties are not counted",
    "maxProperties": "properties are not counted",
}
_CONTRADICTIONS = (("minLength", "maxLength"), ("minItems", "maxItems"))
Finding = tuple[str, str]


def unsupported(normal: NormalSchema) -> list[Unsupported]:
    """See ArgumentsBackend.check."""
    found = [
        Unsupported(keyword, f"{normal.pointers.get(id(node), '')}/{keyword}", explanation)
        for node in walk(normal.schema)
        for keyword, explanation in _findings(node, normal.schema)
    ]
    if not found:
        Grammar(normal.schema)
    return found


def _findings(node: Node, schema: Node) -> Iterator[Finding]:
    for keyword, explanation in _NOT_FOLLOWED.items():
        if keyword in node:
            yield keyword, f"lm-format-enforcer: {explanation}"
    for least, most in _CONTRADICTIONS:
        if node.get(least, 0) > node.get(most, float("inf")):
            yield least, f"it contradicts {most}"
    if "anyOf" in node or "$ref" in node:
        yield from _choice_findings(node, schema)
    elif "enum" in node:
        yield from _enum_findings(node["enum"])
    elif node.get("type") in ("integer", "number"):
        yield from _number_findings(node)
    elif node.get("type") == "array" and node.get("items") is False and node.get("minItems", 0):
        yield "minItems", "no item is admitted"
    elif node.get("type") == "object":
        yield from _object_findings(node)


def _choice_findings(node: Node, schema: Node) -> Iterator[Finding]:
    keyword = "anyOf" if "anyOf" in node else "$ref"
    try:
        alternatives = sum(1 for part in flatten(node, schema) if "enum" not in part)
    except ValueError as error:
        yield keyword, str(error)
        return
    if alternatives > MOST_ALTERNATIVES:
        yield keyword, f"lm-format-enforcer: more than {MOST_ALTERNATIVES} alternatives"


def _enum_findings(values: list[object]) -> Iterator[Finding]:
    if not values:
        yield "enum", "no value is admitted"
    elif not all(map(is_scalar, values)):
        yield "enum", "lm-format-enforcer: objects and arrays are not held to given values"
    elif not all(encodable(value) for value in values if isinstance(value, str)):
        yield "enum", "unpaired surrogates cannot be written as UTF-8"


def _number_findings(node: Node) -> Iterator[Finding]:
    limits = [keyword for keyword in node if keyword.endswith(("inimum", "aximum"))]
    if node["type"] == "number":
        for keyword in limits:
            yield keyword, "lm-format-enforcer: numbers with fractions are not held to limits"
    elif limits:
        possible = bounds(node)
        least, most = possible.minimum, possible.maximum
        if least is not None and most is not None and least > most:
            yield limits[0], "no integer is admitted"
        elif not possible.holds(1 - 10**MOST_DIGITS, 10**MOST_DIGITS - 1):
            yield limits[0], f"lm-format-enforcer: integers have at most {MOST_DIGITS} digits"


def _object_findings(node: Node) -> Iterator[Finding]:
    names = node.get("properties", {})
    if "properties" in node and node.get("additionalProperties") is not False:
        yield "additionalProperties", "lm-format-enforcer: only false is enforced beside properties"
    if node.get("additionalProperties") is False and not set(node.get("required", ())) <= set(names):
        yield "required", "a required property is not admitted"
    if not all(map(encodable, [*names, *node.get("required", ())])):
        yield "properties", "unpaired surrogates cannot be written as UTF-8"

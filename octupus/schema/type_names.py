"""Types as corpora spell them (Python's typing, Java, JavaScript, RapidAPI, plain English) made JSON Schema.

The text is only ever read, never evaluated. What is not understood admits anything: a type that is too wide costs
little, while one that is too narrow makes correct calls look wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from octupus.schema.validation import InvalidJsonError, parse_json

LONGEST_TEXT = 500
DEEPEST_NESTING = 12

_SPELLINGS = {
    # JSON has no text but strings, so dates, files and the code of a callable travel as such.
    "string": "string str text char character varchar charsequence bytes binary file path date time datetime uuid url "
    "uri email enum credentials geopoint callable function lambda",
    "integer": "integer int long short byte bigint biginteger int8 int16 int32 int64 uint uint8 uint16 uint32 uint64",
    "number": "number float double numeric decimal bigdecimal real float32 float64",
    "boolean": "boolean bool",
    "object": "object dict dictionary map mapping hashmap linkedhashmap treemap ordereddict defaultdict record",
    "array": "array list tuple set frozenset sequence iterable collection arraylist linkedlist hashset vector deque",
    "null": "null none nonetype",
}
_TYPES = {name: json_type for json_type, names in _SPELLINGS.items() for name in names.split()}
_ANY = frozenset({"any", "mixed"})
_NULL = {"type": "null"}

_MODULE = re.compile(r"^(typing(_extensions)?|builtins|collections(\.abc)?|datetime|java\.(util|lang|math))\.")
_CALLABLE = re.compile(r"(typing\.)?(callable|function|lambda)\b|\(.*=>", re.IGNORECASE)
_MARK = re.compile(
    r"(?:^|(?<=[\s,(]))(?:(?P<optional>not required|optional|defaults?\b[^,)\]]*)|(?P<required>required|mandatory))"
    r"(?=$|[\s,)])",
    re.IGNORECASE,
)
_PARENTHESES = re.compile(r"([\w.]+)\s*\(([^()]*)\)")
_GENERIC = re.compile(r"([\w.]+)\s*\[(.*)\]", re.DOTALL)
_ARRAY_OF = re.compile(r"(\w+)\s+of\s+(.+)", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"(?<![\w.])[A-Za-z]+(?![\w.])")
_QUOTED = re.compile(r"""'([^'\\]*)'|"([^"\\]*)\"""")


@dataclass(frozen=True, slots=True)
class ParsedType:
    """What a spelling of a type says."""

    schema: dict[str, Any] | None
    """The JSON Schema, `{}` for "any"; None when the spelling is not understood, so that anything must be admitted."""
    optional: bool | None = None
    """Whether the parameter may be left out; None when the spelling says nothing about it."""


def parse_type(text: str) -> ParsedType:
    """The JSON Schema of a foreign type such as `List[int]`, `str, optional`, or `ArrayList<String>`.

    `Optional[X]` and unions with None admit null and say that the parameter is optional. A set is an array whose
    items may repeat, since no constraint can count them. A callable is a string: calls hold its code or its name.
    """
    plain = _plain(text.strip())
    if plain is not None:
        return ParsedType(plain, True if plain == _NULL else None)
    if len(text) > LONGEST_TEXT:
        return ParsedType(None)
    bare, optional = _without_marks(text)
    schema = _pieces(_square_brackets(bare))
    if optional is None and schema is not None and _admits_null(schema):
        optional = True
    return ParsedType(schema, optional)


def _plain(name: str) -> dict[str, Any] | None:
    """The schema of a type that is one word."""
    lowered = _MODULE.sub("", name.lower())
    if lowered in _ANY:
        return {}
    return {"type": _TYPES[lowered]} if lowered in _TYPES else None


def _without_marks(text: str) -> tuple[str, bool | None]:
    """The text without the words that say whether the parameter may be left out, and what they say."""
    marks = list(_MARK.finditer(text))
    bare = _MARK.sub("", text).strip()
    if bare.endswith("?"):
        return bare[:-1], True
    if not marks:
        return bare, None
    return bare, any(mark["optional"] for mark in marks)


def _square_brackets(text: str) -> str:
    """The text with arguments of types in square brackets: `list(str)`, `List<String>`; other parentheses left out."""
    if _CALLABLE.match(text):
        return "callable"

    def replace(match: re.Match[str]) -> str:
        name, content = match.groups()
        known = all(_alternatives(piece, DEEPEST_NESTING) is not None for piece in _split(content, ","))
        takes_arguments = _TYPES.get(name.lower()) in ("array", "object")
        return f"{name}[{content}]" if takes_arguments and known else name

    text = _PARENTHESES.sub(replace, text)
    return text if "'" in text or '"' in text else text.replace("<", "[").replace(">", "]")


def _pieces(text: str) -> dict[str, Any] | None:
    """The first of the pieces between commas; later ones are remarks (`str, comma-separated`) unless types, too."""
    first, *others = [_alternatives(piece, DEEPEST_NESTING) for piece in _split(text, ",")]
    return _union([first, *(other for other in others if other is not None)])


def _alternatives(text: str, depth: int) -> dict[str, Any] | None:
    parts = [text]
    for separator in ("|", " or ", "/"):
        parts = [inner for part in parts for inner in _split(part, separator)]
    return _union([_single(part, depth) for part in parts])


def _single(text: str, depth: int) -> dict[str, Any] | None:
    plain = _plain(text)
    if plain is not None or depth == 0:
        return plain
    if text.startswith("(") and text.endswith(")"):
        return _alternatives(text[1:-1], depth - 1)
    if text.endswith("[]"):
        element = _alternatives(text[:-2].removeprefix("(").removesuffix(")"), depth - 1)
        return _array(element) if element != {"type": "array"} else element
    generic = _GENERIC.fullmatch(text)
    if generic:
        return _generic(_MODULE.sub("", generic[1].lower()), _split(generic[2], ","), depth - 1)
    phrase = _ARRAY_OF.fullmatch(text)
    if phrase and _TYPES.get(phrase[1].lower()) in ("array", "object"):
        return _array(_plural(phrase[2], depth - 1)) if _TYPES[phrase[1].lower()] == "array" else {"type": "object"}
    return None


def _generic(name: str, arguments: Sequence[str], depth: int) -> dict[str, Any] | None:
    """A type with arguments; `Literal` takes values, `Callable` a signature, all others types."""
    if name == "literal":
        return _literal(arguments)
    if name == "callable":
        return {"type": "string"}
    if name == "tuple":
        return _tuple(arguments, depth)
    schemas = [_alternatives(argument, depth) for argument in arguments]
    if name in ("union", "optional"):
        return _union([*schemas, _NULL] if name == "optional" else schemas)
    if _TYPES.get(name) == "array":
        return _array(schemas[0] if len(schemas) == 1 else None)
    if _TYPES.get(name) == "object":
        # The keys of a JSON object are strings whatever the type says, and no constraint can hold them to more.
        values = schemas[1] if len(schemas) == 2 else None
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    return None


def _array(items: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "array", "items": items} if items else {"type": "array"}


def _tuple(arguments: Sequence[str], depth: int) -> dict[str, Any]:
    """A tuple of one type is an array of fixed length, which every backend enforces; others need `prefixItems`."""
    if len(arguments) == 2 and arguments[1] == "...":
        return _array(_alternatives(arguments[0], depth))
    items = [_alternatives(argument, depth) or {} for argument in arguments]
    length = {"minItems": len(items), "maxItems": len(items)}
    if all(item == items[0] for item in items):
        return {**_array(items[0]), **length}
    return {"type": "array", "prefixItems": items, "items": False, **length}


def _literal(arguments: Sequence[str]) -> dict[str, Any] | None:
    try:
        values = [_value(argument) for argument in arguments]
    except InvalidJsonError:
        return None
    return {"type": "string", "enum": values} if all(isinstance(value, str) for value in values) else {"enum": values}


def _value(text: str) -> Any:
    """A literal of Python: a string without escapes, a number, True, False, None. Raises InvalidJsonError."""
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted[1] if quoted[1] is not None else quoted[2]
    return parse_json({"True": "true", "False": "false", "None": "null"}.get(text, text))


def _plural(text: str, depth: int) -> dict[str, Any] | None:
    """The schema of `strings`, `dictionaries`, `lists of ints`; of a singular, too."""
    return _alternatives(_WORD.sub(_singular, text), depth)


def _singular(word: re.Match[str]) -> str:
    name = word[0].lower()
    if name in _TYPES or not name.endswith("s"):
        return word[0]
    return f"{name[:-3]}y" if name.endswith("ies") else name[:-1]


def _union(schemas: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """What any of the schemas admits; None if one is not understood."""
    members: list[dict[str, Any]] = []
    for schema in schemas:
        if schema is None or schema == {}:
            return schema
        for member in schema.get("anyOf", [schema]):
            if member not in members:
                members.append(member)
    if {"type": "number"} in members:
        members = [member for member in members if member != {"type": "integer"}]
    return members[0] if len(members) == 1 else {"anyOf": members}


def _admits_null(schema: dict[str, Any]) -> bool:
    return any(member == _NULL or None in member.get("enum", ()) for member in schema.get("anyOf", [schema]))


def _split(text: str, separator: str) -> list[str]:
    """The stripped parts between separators that stand outside brackets and quotes."""
    parts, start = [], 0
    for position in _outside(text):
        if position >= start and text.startswith(separator, position):
            parts.append(text[start:position].strip())
            start = position + len(separator)
    return [*parts, text[start:].strip()]


def _outside(text: str) -> Iterator[int]:
    """The positions outside brackets and quotes. A quote inside a word is an apostrophe."""
    depth, quote = 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and not text[max(position - 1, 0) : position].isalnum():
            quote = character
        elif character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
        elif depth == 0:
            yield position

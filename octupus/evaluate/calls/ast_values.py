"""One argument's value against its admissible values, by the rules of BFCL's AST comparison for Python types.

The rules, as `bfcl_eval.eval_checker.ast_eval.ast_checker` of bfcl-eval 2026.3.23 applies them:

- A value has the declared type, or else the type of the first admissible value that is not `""`. An integer may stand
  for a declared float, though not inside a list. `True` is no integer here, yet equals 1 where values are compared.
- Texts are equal when they are so without ` ,./-_*^`, in lower case, and with `'` read as `"`. That holds for an
  argument, for the items of a list and for the values of an object, and no deeper.
- Where the admissible values are of another type than the declared one, they name variables and are compared exactly.
- An object is given as `{key: [admissible values]}`. A key may be missing when `""` is among its values.
- `""` says that the argument may be left out. Compared as a value it is the empty text, and the empty list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from types import NoneType
from typing import Any

OMITTED = ""
"""The admissible value that lets an argument be left out."""

_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
    # JSON Schema's own names for the same, which BFCL's function documents do not use.
    "number": float,
    "object": dict,
    "null": NoneType,
}
_ARRAYS = ("array", "tuple")
_IGNORED_IN_TEXTS = str.maketrans("'", '"', " ,./-_*^")


class Mismatch(StrEnum):
    """Why calls are not the expected ones."""

    WRONG_COUNT = "wrong_count"
    WRONG_TOOL = "wrong_tool"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_REQUIRED = "missing_required"
    MISSING_OPTIONAL = "missing_optional"
    UNEXPECTED_ARGUMENT = "unexpected_argument"
    WRONG_TYPE = "wrong_type"
    WRONG_VALUE = "wrong_value"
    NO_MATCH = "no_match"
    """Of several calls, none is an expected one."""


def mismatch_of(value: Any, admissible: Sequence[Any], schema: Mapping[str, Any]) -> Mismatch | None:
    """Why a value is none of the admissible ones, or None when it is one. `schema` describes the parameter."""
    named = _first_type(admissible)
    declared = declared_type(schema, value) or named or type(value)
    if declared is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            return Mismatch.WRONG_VALUE
    items = item_type(schema) if declared is list else None
    if type(value) not in (declared, named):
        return Mismatch.WRONG_TYPE
    if isinstance(value, list) and items is not None and not _items_fit(value, admissible, items):
        return Mismatch.WRONG_TYPE
    is_variable = named is not None and named is not declared
    equal = value in admissible if is_variable else _equals_any(value, admissible, declared, items)
    return None if equal else Mismatch.WRONG_VALUE


def declared_type(schema: Mapping[str, Any], value: Any = None) -> type | None:
    """The Python type a parameter's schema names; of several the value's own, or else the first. None without any."""
    name = schema.get("type")
    types = [_TYPES[each] for each in (name if isinstance(name, list) else [name]) if each in _TYPES]
    if type(value) in types:
        return type(value)
    return types[0] if types else None


def item_type(schema: Mapping[str, Any]) -> type | None:
    """The type of an array's items, where its schema names it."""
    names = schema.get("type")
    is_array = any(name in _ARRAYS for name in (names if isinstance(names, list) else [names]))
    items = schema.get("items")
    return declared_type(items) if is_array and isinstance(items, Mapping) else None


def _first_type(admissible: Sequence[Any]) -> type | None:
    return next((type(each) for each in admissible if each != OMITTED), None)


def _items_fit(value: list[Any], admissible: Sequence[Any], items: type) -> bool:
    """Whether, for one of the admissible values, every item has the items' type or that of its first item."""
    return any(
        type(option) is not list or all(type(item) in (items, _first_type(option)) for item in value)
        for option in admissible
    )


def _equals_any(value: Any, admissible: Sequence[Any], declared: type, items: type | None) -> bool:
    if declared is dict:
        return any(_object_fits(value, option) for option in admissible)
    if declared is list and items is dict:
        return any(_objects_fit(value, option) for option in _lists(admissible))
    if declared is list:
        wanted = [[_plain(item) for item in option] for option in _lists(admissible)]
        return [_plain(item) for item in value] in wanted
    if declared is str:
        return _plain(value) in [_plain(option) for option in admissible if isinstance(option, str)]
    return value in admissible


def _lists(admissible: Sequence[Any]) -> Iterator[list[Any]]:
    """The admissible lists. As in BFCL's code a text is the list of its characters, which makes `""` the empty one."""
    return (list(option) for option in admissible if isinstance(option, list | str | dict))


def _objects_fit(value: list[Any], option: list[Any]) -> bool:
    return len(value) == len(option) and all(map(_object_fits, value, option))


def _object_fits(value: Any, option: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(option, dict):
        return False
    admissible = {key: each if isinstance(each, list | str) else () for key, each in option.items()}
    return all(
        key in admissible and _plain(each) in [_plain(choice) for choice in admissible[key]]
        for key, each in value.items()
    ) and all(key in value or OMITTED in choices for key, choices in admissible.items())


def _plain(value: Any) -> Any:
    """A text as it is compared; anything else as it is."""
    return value.translate(_IGNORED_IN_TEXTS).lower() if isinstance(value, str) else value

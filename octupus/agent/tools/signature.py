"""A Python function as a tool: its signature as JSON Schema, and JSON arguments as the Python values it wants.

Standard library only: it runs in the process that imports the module. JSON's types are those that a model writes;
a parameter's type says what becomes of them: `3.0` is 3 for an `int`, an object a dataclass, a string a date.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime
import enum
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from octupus.agent.tools.docstring import read_docstring

STATE = "state"
"""The parameter that is not the model's: it holds what the function may change."""
DEEPEST_TYPE = 16

Schema = dict[str, Any]
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_SETS = (set, frozenset, collections.abc.Set)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_TIMES: dict[type, str] = {datetime.datetime: "date-time", datetime.date: "date", datetime.time: "time"}


class UnusableFunctionError(Exception):
    """A function cannot be a tool; the message names it and says why."""


@dataclass(frozen=True)
class Signature:
    """What a function takes."""

    description: str
    parameters: Schema
    """The JSON Schema of its arguments, an object without further properties."""
    stateful: bool
    types: Mapping[str, Any]
    """Each argument's Python type."""

    def described(self) -> dict[str, Any]:
        """As JSON."""
        return {"description": self.description, "parameters": self.parameters, "stateful": self.stateful}

    def values(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The Python values of arguments that satisfy the schema. Raises ValueError, such as for February 30."""
        return {name: _value(self.types[name], argument) for name, argument in arguments.items()}


def signature_of(function: Callable[..., Any]) -> Signature:
    """Raises UnusableFunctionError when a parameter has no type, or one that JSON cannot say, or has no docstring."""
    name = function.__name__
    docstring = read_docstring(inspect.getdoc(function) or "")
    if not docstring.description:
        raise UnusableFunctionError(f"{name} has no docstring; write what it does, since that is what a model reads")
    annotations = _annotations(function)
    properties: Schema = {}
    required: list[str] = []
    arguments: dict[str, Any] = {}
    stateful = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD and parameter.kind is not parameter.KEYWORD_ONLY:
            raise UnusableFunctionError(f"{name}: {parameter} cannot be given by name, and tools take named parameters")
        if parameter.name not in annotations:
            raise UnusableFunctionError(f"{name}: parameter {parameter.name} has no type; write one")
        annotation = annotations[parameter.name]
        if parameter.name == STATE and _holds_state(annotation):
            stateful = True
            continue
        arguments[parameter.name] = annotation
        try:
            properties[parameter.name] = _property(annotation, parameter, docstring.parameters.get(parameter.name, ""))
        except TypeError as error:
            raise UnusableFunctionError(f"{name}: parameter {parameter.name} {error}") from None
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Signature(docstring.description, schema, stateful, arguments)


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001  a foreign annotation may be anything
        raise UnusableFunctionError(f"{function.__name__}: its types cannot be read: {error}") from None


def _holds_state(annotation: Any) -> bool:
    bare = _bare(annotation)[0]
    return bare is Any or (typing.get_origin(bare) or bare) in _MAPPINGS


def _property(annotation: Any, parameter: inspect.Parameter, description: str) -> Schema:
    schema = dict(schema_of(annotation))
    description = description or _bare(annotation)[1]
    if description:
        schema["description"] = description
    if parameter.default is not parameter.empty:
        with contextlib.suppress(TypeError, ValueError):  # a default that JSON cannot say goes without saying
            schema["default"] = json.loads(json.dumps(_plain(parameter.default), allow_nan=False))
    return schema


def schema_of(annotation: Any, depth: int = 0) -> Schema:
    """The JSON Schema of a Python type. Raises TypeError, whose message goes on after the parameter's name."""
    if depth > DEEPEST_TYPE:
        raise TypeError(f"has a type that is nested deeper than {DEEPEST_TYPE}, or refers to itself")
    annotation, _ = _bare(annotation)
    if annotation is Any or annotation is object:
        return {}
    if annotation is None or annotation in _PLAIN:
        return {"type": "null" if annotation is None else _PLAIN[annotation]}
    if annotation in _TIMES:
        return {"type": "string", "format": _TIMES[annotation]}
    origin, inside = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is Literal:
        return _choice([_plain(value) for value in inside])
    if origin in (Union, types.UnionType):
        return _either([schema_of(member, depth + 1) for member in inside])
    if origin in _LISTS or origin in _SETS:
        return {"type": "array", **({"items": schema_of(inside[0], depth + 1)} if inside else {})}
    if origin is tuple:
        return _tuple(inside, depth)
    if origin in _MAPPINGS:
        if inside and _bare(inside[0])[0] is not str:
            raise TypeError("has a dict whose keys are no strings, which JSON does not know")
        return {"type": "object", **({"additionalProperties": schema_of(inside[1], depth + 1)} if inside else {})}
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return _choice([_plain(member.value) for member in origin])
    fields = _fields(origin)
    if fields is None:
        raise TypeError(f"has the type {_spelled(annotation)}, which has no JSON form")
    return {
        "type": "object",
        "properties": {name: schema_of(field, depth + 1) for name, (field, _) in fields.items()},
        "required": [name for name, (_, required) in fields.items() if required],
        "additionalProperties": False,
    }


def _bare(annotation: Any) -> tuple[Any, str]:
    """The type without Annotated, Required and NewType, and the first text that Annotated gives."""
    text = ""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            text = text or next((extra for extra in annotation.__metadata__ if isinstance(extra, str)), "")
            annotation = annotation.__origin__
        elif origin in (typing.Required, typing.NotRequired):
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return annotation, text


def _choice(values: list[Any]) -> Schema:
    if any(type(value) not in _PLAIN for value in values):
        raise TypeError("has a choice among values that are no strings, numbers, booleans or null")
    kinds = list(dict.fromkeys(_PLAIN[type(value)] for value in values))
    return {"type": kinds[0] if len(kinds) == 1 else kinds, "enum": values}


def _either(members: list[Schema]) -> Schema:
    """Types side by side where nothing else is said of them, which every backend of constraints reads."""
    if all(member.keys() == {"type"} for member in members):
        return {"type": list(dict.fromkeys(member["type"] for member in members))}
    if {} in members:
        return {}
    return {"anyOf": members}


def _tuple(inside: tuple[Any, ...], depth: int) -> Schema:
    if not inside:
        return {"type": "array"}
    if inside[-1] is Ellipsis:
        return {"type": "array", "items": schema_of(inside[0], depth + 1)}
    items = [schema_of(item, depth + 1) for item in inside]
    bounds = {"minItems": len(items), "maxItems": len(items)}
    if all(item == items[0] for item in items):
        return {"type": "array", "items": items[0], **bounds}
    return {"type": "array", "prefixItems": items, "items": False, **bounds}


def _fields(kind: Any) -> dict[str, tuple[Any, bool]] | None:
    """Each field's type and whether it is required, of a TypedDict or dataclass; None for other types."""
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        # Where annotations are texts, the class itself did not see what they say of being required.
        marks = {typing.Required: True, typing.NotRequired: False}
        return {
            name: (hint, marks.get(typing.get_origin(hint), name in kind.__required_keys__))
            for name, hint in hints.items()
        }
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind, include_extras=True)
        missing = dataclasses.MISSING
        return {
            field.name: (hints[field.name], field.default is missing and field.default_factory is missing)
            for field in dataclasses.fields(kind)
            if field.init
        }
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _spelled(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _value(annotation: Any, value: Any) -> Any:
    """The Python value of a JSON value that satisfies the type's schema."""
    annotation, _ = _bare(annotation)
    origin, inside = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if annotation is int and isinstance(value, float):
        return int(value)  # JSON Schema takes 3.0 for an integer
    if annotation in _TIMES and isinstance(value, str):
        moment: Any = annotation
        return moment.fromisoformat(value)
    if origin in (Union, types.UnionType):
        fitting = [member for member in inside if _fits(member, value)]
        return _value(fitting[0], value) if fitting else value
    if isinstance(value, list):
        return _list(origin, inside, value)
    if origin in _MAPPINGS and inside:
        return {key: _value(inside[1], item) for key, item in value.items()}
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return origin(value)
    if isinstance(value, dict) and (fields := _fields(origin)) is not None:
        return origin(**{name: _value(fields[name][0], item) for name, item in value.items()})
    return value


def _list(origin: Any, inside: tuple[Any, ...], value: list[Any]) -> Any:
    if origin is tuple:
        kinds = inside if inside and inside[-1] is not Ellipsis else inside[:1] * len(value)
        return tuple(map(_value, kinds, value)) if kinds else tuple(value)
    items = [_value(inside[0], item) for item in value] if inside else value
    return frozenset(items) if origin is frozenset else set(items) if origin in _SETS else items


def _fits(annotation: Any, value: Any) -> bool:
    """Whether a union's member is the one a value was written for, by its outermost form and the keys of objects."""
    schema = schema_of(annotation)
    if "anyOf" in schema:
        return any(_fits(member, value) for member in typing.get_args(_bare(annotation)[0]))
    if "enum" in schema:
        choices: list[Any] = schema["enum"]
        return value in choices
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if isinstance(value, dict) and "properties" in schema:
        keys = value.keys()
        return bool(set(schema["required"]) <= keys <= schema["properties"].keys())
    if isinstance(value, float) and value.is_integer() and "integer" in kinds:
        return True
    return not kinds or any(_is_of(kind, value) for kind in kinds)


def _is_of(kind: str, value: Any) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    kinds: dict[str, type] = {"array": list, "object": dict, "null": types.NoneType, "string": str, "boolean": bool}
    return isinstance(value, kinds[kind]) if kind in kinds else type(value) is int

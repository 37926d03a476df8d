"""The library's modules imported by path, as the sandbox does, and arguments for their functions, likely or not."""

import importlib.util
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from types import ModuleType
from typing import Any, Literal

from hypothesis import strategies as st

from octupus.agent.library.catalogue import MODULES, path_of

CAST = json.loads((path_of("mail").parent / "data" / "cast.json").read_text(encoding="utf-8"))


@cache
def load(name: str) -> ModuleType:
    """Not imported by its dotted name: a module must not need octupus around it."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", path_of(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def tools_of(name: str) -> dict[str, Callable[..., Any]]:
    """The module's public functions without `initial_state`."""
    module = load(name)
    functions = {
        key: value
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    }
    functions.pop("initial_state", None)
    return functions


STATEFUL = tuple(name for name in MODULES if hasattr(load(name), "initial_state"))


def run(name: str, function: str, arguments: dict[str, Any], state: Any) -> Any:
    """Call a function with the state, if it takes one; arguments go by name as from JSON."""
    tool = tools_of(name)[function]
    given = {"state": state} if "state" in inspect.signature(tool).parameters else {}
    return tool(**arguments, **given)


def json_of(value: Any) -> str:
    """Strict JSON; raises for what is none, such as a tuple that would come back as a list."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    assert json.loads(text) == value
    return text


def parameters_of(tool: Callable[..., Any]) -> dict[str, tuple[Any, bool, str]]:
    """Type, whether it is required, and description of each parameter that the model sees."""
    documented = dict(re.findall(r"^ {4,8}(\w+): (.*(?:\n {8,}\S.*)*)", inspect.getdoc(tool) or "", re.MULTILINE))
    documented = {key: " ".join(text.split()) for key, text in documented.items()}
    types_ = typing.get_type_hints(tool)
    return {
        key: (types_[key], parameter.default is parameter.empty, documented.get(key, ""))
        for key, parameter in inspect.signature(tool).parameters.items()
        if key != "state"
    }


class Known:
    """What a state says: its texts, and the days around its now."""

    def __init__(self, state: Any) -> None:
        self.texts: list[str] = []
        left = [state]
        while left:
            value = left.pop()
            if isinstance(value, str):
                self.texts.append(value)
            elif isinstance(value, dict | list):
                left += reversed(value.values() if isinstance(value, dict) else value)
        self.texts = list(dict.fromkeys(self.texts))
        today = date.fromisoformat(state["now"][:10]) if state and "now" in state else date(2026, 3, 2)
        self.days = [str(today + timedelta(days=ahead)) for ahead in range(-2, 16)]


def _likely_texts(key: str, description: str, known: Known) -> list[str]:
    if key in ("id", "to_id") or key.endswith(("_id", "_ids")):
        prefixes = re.findall(r"\b([a-z]+)_\d+", description)
        numbers = [f"{prefix}_{number}" for prefix in prefixes for number in range(1, 7)]
        ids = [text for text in known.texts if re.fullmatch(r"[a-z]+_\d+|[A-Z]{2}\d+", text)]
        return [*(text for text in ids if text.split("_")[0] in prefixes), *numbers] or ids or ["nothing_1"]
    if "THH:MM" in description:
        moments = [text for text in known.texts if re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d", text)]
        return moments + [f"{day}T{hour:02d}:00" for day in known.days for hour in (8, 12, 18)]
    if "HH:MM" in description:
        return ["07:30", "23:59", "00:00", *(text for text in known.texts if re.fullmatch(r"\d\d:\d\d", text))]
    if "12:00" in description:
        return ["12:00", "18:00", "20:00"]
    if "YYYY-MM-DD" in description or "date" in key:
        return [*known.days, "1990-05-04"]
    if "YYYY-MM" in description:
        return [known.days[2][:7], "2026-01"]
    if "plate" in key:
        return ["B-AB 123", "沪A12345"]
    if key in ("to", "cc", "email", "attendees"):
        return [person["email"] for person in CAST["people"]]
    if key in ("city", "cities", "origin", "destination"):
        return [city[name] for city in CAST["cities"] for name in ("name", "chinese_name")]
    examples = re.findall(r"such as ([^,;:]+?)(?:\.$|,|;| or |$)", description)
    examples += re.findall(r"such as [^,;:]+? or ([^,;:]+?)(?:\.$|,|;|$)", description)
    quoted = re.findall(r'"([^"]+)"', description)
    return [*examples * 3, *quoted, *known.texts[:40], "Anna", "a new text", "/documents/new.txt"]


def likely(annotation: Any, key: str, description: str, known: Known) -> list[Any]:
    """Values of a type that may well be right."""
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return list(typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return [value for member in typing.get_args(annotation) for value in likely(member, key, description, known)]
    if annotation is types.NoneType:
        return [None]
    if annotation is bool:
        return [False, True]
    if annotation is int:
        return [1, 2, 3, 5, 30]
    if annotation is float:
        return [0.5, 1, 2.25, 20.0, 100]
    if annotation is str:
        return _likely_texts(key, description, known)
    if origin is list:
        items = likely(typing.get_args(annotation)[0], key, description, known)
        return [[], *([item] for item in items), items[:2], items[-3:]]
    if typing.is_typeddict(annotation):
        fields = typing.get_type_hints(annotation)
        columns = [likely(kind, field, "", known) for field, kind in fields.items()]
        return [dict(zip(fields, row, strict=False)) for row in zip(*columns, strict=False)]
    raise AssertionError(f"{key}: no values for {annotation}")


_ODD_TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789+-*/^%()., episqrtln", max_size=30),
    st.sampled_from(
        [
            "",
            " ",
            "2026-02-30",
            "2026-13-01T25:00",
            "20260302",
            "９９",
            "..",
            "/",
            "//a//",
            "a@b",
            "x" * 3000,
            "\x00",
            "9" * 400,
        ]
    ),
)


def arguments_for(annotation: Any, key: str, description: str, known: Known) -> st.SearchStrategy[Any]:
    """Values that a type's schema admits, likely ones and others."""
    origin = typing.get_origin(annotation)
    probable = st.sampled_from(likely(annotation, key, description, known))
    if origin in (typing.Union, types.UnionType):
        members = [arguments_for(member, key, description, known) for member in typing.get_args(annotation)]
        return st.one_of(*members)
    if annotation is int:
        return probable | st.integers() | st.integers(-3, 50)
    if annotation is float:
        return probable | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-10, 10**18) | st.just(10**400)
    if annotation is str:
        return probable | probable | _ODD_TEXTS
    if origin is list:
        inside = arguments_for(typing.get_args(annotation)[0], key, description, known)
        return probable | st.lists(inside, max_size=6)
    if typing.is_typeddict(annotation):
        fields = typing.get_type_hints(annotation)
        return st.fixed_dictionaries({field: arguments_for(kind, field, "", known) for field, kind in fields.items()})
    return probable

"""Names of tools as ToolBench makes them of categories, tools and APIs, and names of those that any client takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from octupus.schema.tool_names import LONGEST_NAME, safe_names

HASH_DIGITS = 8
LONGEST_DESCRIPTION = 256
LONGEST_TOOL_DESCRIPTION = 512

ApiKey = tuple[str, str, str]
"""Category, tool and API, as the corpus spells them."""

_OTHERS = re.compile(r"[^\u4e00-\u9fa5a-zA-Z0-9_^]")
_UNDERSCORES = re.compile(r"_+")
_PYTHON_WORDS = frozenset({"from", "class", "return", "false", "true", "id", "and"})


def standardize(name: str) -> str:
    """ToolBench's spelling of a tool, an API or a parameter: lower case, underscores for all but letters and digits."""
    spelled = _UNDERSCORES.sub("_", _OTHERS.sub("_", name)).strip("_").lower()
    return f"get_{spelled}" if spelled[:1].isdigit() else spelled


def change_name(name: str) -> str:
    """The name that stands in an api.py for one that Python keeps for itself or that hides one of Python's."""
    return f"is_{name}" if name in _PYTHON_WORDS else name


def function_name(tool: str, api: str) -> str:
    """ToolBench's name of an API of a tool for a model. It keeps the end where it is long, so two may become one."""
    return f"{change_name(standardize(api))}_for_{standardize(tool)}"[-LONGEST_NAME:]


def model_names(keys: Iterable[ApiKey]) -> dict[ApiKey, str]:
    """A name for each API, no two alike, and each one that every client takes.

    It is ToolBench's where that is possible. Of several with the same one the first in order of the keys has it, the
    others end in a hash of the key; what clients do not take becomes what `safe_names` makes of it.
    """
    taken: dict[str, ApiKey] = {}
    for key in sorted(set(keys)):
        name = function_name(*key[1:])
        if name in taken:
            digest = hashlib.sha256("\n".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
            name = f"{name[: LONGEST_NAME - HASH_DIGITS - 1]}_{digest}"
        taken[name] = key
    safe = safe_names(list(taken))
    return {key: safe[name] for name, key in taken.items()}


def cut(text: str, longest: int) -> str:
    """The text's first characters, as ToolBench cuts descriptions."""
    return text if len(text) <= longest else text[:longest]

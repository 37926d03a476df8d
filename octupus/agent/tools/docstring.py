"""A docstring as a model reads it: what the function does, and a text for each parameter. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECTION = re.compile(
    r"(args|arguments|parameters|returns?|yields?|raises|examples?|notes?|attributes|see also|warnings?):",
    re.IGNORECASE,
)
_OF_PARAMETERS = ("args", "arguments", "parameters")
_PARAMETER = re.compile(r"\*{0,2}(\w+)\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*:\s*(.*)")
_FIELD = re.compile(r":param\s+(?:[^:]*\s)?(\w+)\s*:\s*(.*)")
_OTHER_FIELD = re.compile(r":\w+[^:]*:")


@dataclass(frozen=True)
class Docstring:
    """The parts of a docstring that a tool is made of."""

    description: str
    """What stands before the first section, each paragraph on one line."""
    parameters: dict[str, str]


def read_docstring(text: str) -> Docstring:
    """Read Google's form (`Args:` and an indented line for each), reST's `:param name:`, or plain text.

    `text` is as `inspect.getdoc` gives it: without the indentation of the code around it.
    """
    description: list[str] = []
    parameters: dict[str, str] = {}
    section = "description"
    last, level = "", 0
    for line in text.splitlines():
        bare, indentation = line.strip(), len(line) - len(line.lstrip())
        heading = _SECTION.fullmatch(bare) if indentation == 0 else None
        if heading is not None:
            section, last, level = heading[1].lower(), "", 0
        elif field := _FIELD.match(bare):
            section, last = "fields", field[1]
            parameters[last] = field[2]
        elif section == "description":
            description.append(bare)
        elif section == "fields":
            last = "" if _OTHER_FIELD.match(bare) else last
            _go_on(parameters, last, bare)
        elif section in _OF_PARAMETERS and bare:
            level = level or indentation
            named = _PARAMETER.fullmatch(bare) if indentation <= level else None
            if named is not None:
                last = named[1]
                parameters[last] = named[2].strip()
            else:
                _go_on(parameters, last, bare)
    paragraphs = re.split(r"\n\s*\n", "\n".join(description).strip())
    return Docstring("\n".join(" ".join(paragraph.split()) for paragraph in paragraphs), parameters)


def _go_on(parameters: dict[str, str], name: str, text: str) -> None:
    if name and text:
        parameters[name] = f"{parameters[name]} {text}".strip()

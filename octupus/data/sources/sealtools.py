"""Seal-Tools: `{"id", "query", "calling": [{"api", "parameters", "responses"}]}` beside a `tool.jsonl` of all tools.

A row does not say which tools were offered. Offered are the called ones and `DISTRACTORS` others: of the same field,
and where that has too few, of the same wider field (what stands before the slash), in the order of a hash with the id.

A parameter may name what another call will give (`"API_call_0"`). The corpus holds no results, so such a call cannot be
written down. The turn has the calls before the first of these, all of which can be made at once; later ones are left
out even if they name no result, since they are meant to follow it. The flag `cut_ungrounded` says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from octupus.conversation import Conversation, FunctionDefinition, Tool, json_text
from octupus.data.reasons import Reason
from octupus.data.sources.reader import read_rows
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError, CorpusError
from octupus.schema.repair import parameters_from_flat

COMPANION = "tool.jsonl"
DISTRACTORS = 4
"""As many as the corpus's own single-tool tests have beside the right tool."""
_PLACEHOLDER = re.compile(r"\bAPI_call_\d+\b")


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """All tools by name, and the names in each wider field with the narrow field they have."""

    tools: dict[str, Tool] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return "query" in row and isinstance(row.get("calling"), list)


def bind(path: Path) -> Callable[[dict[str, Any]], Conversation]:
    """The converter of one file with the tools beside it. Raises CorpusError when these are missing."""
    return partial(_convert, catalogue=_catalogue(path.parent / COMPANION))


def _convert(row: dict[str, Any], catalogue: _Catalogue) -> Conversation:
    calls = [_call(value, f"call {position}") for position, value in enumerate(sequence(row.get("calling"), "calling"))]
    called = list(dict.fromkeys(call.name for call in calls))
    for name in called:
        if name not in catalogue.tools:
            raise ConversionError(Reason.UNKNOWN_TOOL, f"{name!r} is not in {COMPANION}")
    now = list(takewhile(lambda call: not _PLACEHOLDER.search(json_text(call.arguments)), calls))
    turns = [Turn("user", text(row.get("query"), "query"))]
    if now:
        turns.append(Turn("assistant", None, tuple(now)))
    if len(now) < len(calls):
        detail = "parameters name what other calls give, and the corpus has no results"
        turns.append(Turn("assistant", problem=(Reason.UNGROUNDED, detail)))
    return build(turns, _offered(str(row.get("id")), called, catalogue))


def _call(value: Any, where: str) -> Call:
    call = mapping(value, where)
    if not isinstance(call.get("api"), str) or not isinstance(call.get("parameters"), dict):
        raise ConversionError(Reason.CALL_PARSE_ERROR, f"{where} lacks api or parameters")
    return Call(call["api"], call["parameters"])


def _offered(identity: str, called: Sequence[str], catalogue: _Catalogue) -> list[Tool]:
    """The called tools and the distractors, in an order that does not tell them apart."""

    def rank(name: str) -> str:
        return hashlib.sha256(f"{identity}\n{name}".encode("utf-8", "surrogatepass")).hexdigest()

    fields = {catalogue.fields[name] for name in called}
    wider = sorted({_wider(each) for each in fields})
    candidates = [name for each in wider for name in catalogue.names[each] if name not in called]
    candidates.sort(key=lambda name: (catalogue.fields[name] not in fields, rank(name)))
    return [catalogue.tools[name] for name in sorted([*called, *candidates[:DISTRACTORS]], key=rank)]


def _wider(narrow: str) -> str:
    return narrow.partition("/")[0]


@lru_cache(maxsize=8)
def _catalogue(path: Path) -> _Catalogue:
    if not path.is_file():
        raise CorpusError(f"Seal-Tools needs its tools in {path}, which is missing; put {COMPANION} there")
    catalogue = _Catalogue()
    for row in read_rows(path):
        value = row.value if isinstance(row.value, dict) else {}
        name, parameters, required = value.get("api_name"), value.get("parameters"), value.get("required")
        if not isinstance(name, str) or not isinstance(parameters, dict) or not isinstance(required, list):
            raise CorpusError(f"row {row.row} of {path} lacks api_name, parameters or required; download it again")
        schema = parameters_from_flat(parameters, [each for each in required if isinstance(each, str)])
        description = str(value.get("api_description") or "")
        catalogue.tools[name] = Tool(function=FunctionDefinition(name=name, description=description, parameters=schema))
        catalogue.fields[name] = str(value.get("field") or "")
        catalogue.names.setdefault(_wider(catalogue.fields[name]), []).append(name)
    return catalogue

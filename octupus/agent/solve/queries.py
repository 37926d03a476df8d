"""What is to be solved: ToolBench's query files, or a line for each query; and which tools each is offered."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from octupus.agent.solve.events import Event, Listener, silent
from octupus.agent.tools.toolbox import Toolbox
from octupus.config import nearest
from octupus.errors import ConfigError, CorpusError

Retrieve = Callable[[str, int], Awaitable[list[str]]]
"""Names of the tools nearest to a text, best first, at most so many."""

Api = tuple[str, str, str]
"""ToolBench's name of a tool: category, tool, api."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query. Without `tools` and `apis` it is open: all tools are offered, or those that a retriever finds."""

    id: str
    text: str
    tools: tuple[str, ...] | None = None
    """Names of the tools it is offered."""
    apis: tuple[Api, ...] = ()
    """The tools it is offered as ToolBench names them."""
    seed: int | None = None
    """The seed of the tools' first states; None takes the solver's."""


def read_queries(path: Path) -> list[Query]:
    """The queries of a file: ToolBench's array of {query, query_id, api_list}, or lines of {id, query, tools, seed}.

    Further keys are for others, such as a judge. Raises CorpusError when one is broken or two have the same id.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
    read = _toolbench_query if text.lstrip().startswith("[") else _line_query
    rows = _array(path, text) if read is _toolbench_query else _lines(path, text)
    queries: dict[str, Query] = {}
    for place, row in rows:
        try:
            query = read(row)
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"{path}:{place} is no query: {type(error).__name__} {error}") from error
        if query.id in queries:
            raise CorpusError(f"{path}:{place} has the id {query.id!r} again; every query needs its own")
        queries[query.id] = query
    if not queries:
        raise CorpusError(f"{path} holds no query")
    return list(queries.values())


async def offered_tools(
    query: Query, toolbox: Toolbox, retrieve: Retrieve | None = None, top_k: int = 5, listener: Listener = silent
) -> tuple[str, ...] | None:
    """Names of the tools that a query is offered; None for all. Raises ConfigError when it names tools not there."""
    if query.tools is not None:
        missing = [name for name in query.tools if name not in toolbox]
        if missing:
            near = nearest(missing[0], [entry.name for entry in toolbox.entries])
            hint = f"; did it mean {near}?" if near else ""
            raise ConfigError(f"query {query.id} names tools that are not there: {', '.join(missing)}{hint}")
        return query.tools
    if query.apis:
        return _by_api(query, toolbox)
    if retrieve is None:
        return None
    listener(Event("on_tool_retrieval_start", data={"query": query.text, "top_k": top_k}))
    found = tuple(name for name in await retrieve(query.text, top_k) if name in toolbox)
    listener(Event("on_tool_retrieval_end", data={"tools": list(found)}))
    if not found:
        raise ConfigError(f"the retriever finds no tool for query {query.id} that is there; is its index another's?")
    return found


def _by_api(query: Query, toolbox: Toolbox) -> tuple[str, ...]:
    """ToolBench's names differ between its files in case and in what is no letter."""
    known = {
        (_letters(entry.category), _letters(entry.collection), _letters(entry.api)): entry.name
        for entry in toolbox.entries
    }
    names = {api: known.get((_letters(api[0]), _letters(api[1]), _letters(api[2]))) for api in query.apis}
    missing = ["/".join(api) for api, name in names.items() if name is None]
    if missing:
        raise ConfigError(f"query {query.id} names APIs that are not there: {', '.join(missing)}")
    return tuple(dict.fromkeys(name for name in names.values() if name is not None))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _array(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """The rows of a JSON array with their positions, counted from 1."""
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise CorpusError(f"{path} is no JSON: {error}") from error
    yield from enumerate(rows, start=1)


def _lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """The rows of JSON lines with their line numbers."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise CorpusError(f"{path}:{number} is no JSON: {error}") from error


def _toolbench_query(row: Mapping[str, Any]) -> Query:
    query = Query(id=str(row["query_id"]), text=_text(row["query"]))
    apis = tuple((api["category_name"], api["tool_name"], api["api_name"]) for api in row.get("api_list", ()))
    return replace(query, apis=apis)


def _line_query(row: Mapping[str, Any]) -> Query:
    query = Query(id=str(row["id"]), text=_text(row["query"]))
    tools, seed = row.get("tools"), row.get("seed")
    if tools is not None and not (isinstance(tools, list) and all(isinstance(name, str) for name in tools)):
        raise TypeError("tools must be a list of names")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise TypeError("seed must be an integer")
    return replace(query, tools=None if tools is None else tuple(tools), seed=seed)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError("query must be a text")
    return value

"""What is to be solved, and which tools each query is offered."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.solve.events import Event
from octupus.agent.solve.queries import Query, offered_tools, read_queries
from octupus.agent.tools.toolbox import Toolbox
from octupus.errors import ConfigError, CorpusError
from tests.agent.in_process_source import InProcessSource, tool

QUERY = {"id": "a", "query": "sum up"}


def nothing(arguments: dict[str, Any], state: Any) -> None:
    return None


TOOLBOX = Toolbox(
    [
        InProcessSource.of(
            (tool("get_quotes"), nothing), (tool("buy"), nothing), collection="My Bank", category="Finance"
        )
    ]
)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_lines(tmp_path: Path) -> None:
    further = {"id": 2, "query": "x", "tools": ["buy"], "seed": 7, "golden": {"state": {}}}
    path = write(tmp_path / "q.jsonl", QUERY, "", further)
    assert read_queries(path) == [Query("a", "sum up"), Query("2", "x", ("buy",), seed=7)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((QUERY, "{"), r"q\.jsonl:2 is no JSON"),
        ((QUERY, {"id": 1}), r"q\.jsonl:2 is no query: KeyError 'query'"),
        ((QUERY, QUERY), r"q\.jsonl:2 has the id 'a' again"),
        ((QUERY | {"query": " "},), "must be a text"),
        ((QUERY | {"tools": "buy"},), "tools must be a list"),
        ((QUERY | {"seed": True},), "seed must be an integer"),
        (("3",), r"q\.jsonl:1 is no query"),
        (("",), "holds no query"),
        (("[]",), "holds no query"),
        (('[{"query": "x"}]',), r"q\.jsonl:1 is no query: KeyError 'query_id'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_queries(write(tmp_path / "q.jsonl", *rows))


def test_toolbenchs_files(shared: Callable[[str], Path]) -> None:
    files = [
        *shared("corpora/toolbench/instruction").glob("*.json"),
        *shared("corpora/stabletoolbench/test_instruction").glob("*.json"),
    ]
    assert len(files) > 5
    for path in files:
        queries = read_queries(path)
        assert [query.id for query in queries] == [str(row["query_id"]) for row in json.loads(path.read_bytes())]
        assert all(query.apis and query.tools is None for query in queries)


def offered(query: Query, retrieve: Any = None, events: list[Event] | None = None) -> tuple[str, ...] | None:
    heard: list[Event] = [] if events is None else events
    return asyncio.run(offered_tools(query, TOOLBOX, retrieve, 3, heard.append))


def test_the_tools_a_query_is_offered() -> None:
    assert offered(Query("1", "x")) is None
    assert offered(Query("1", "x", ("buy",))) == ("buy",)
    assert offered(Query("1", "x", ())) == ()
    assert offered(Query("1", "x", apis=(("finance", "my_bank", "Get Quotes"),))) == ("get_quotes",)
    with pytest.raises(ConfigError, match="bye; did it mean buy"):
        offered(Query("1", "x", ("bye",)))
    with pytest.raises(ConfigError, match="Finance/My Bank/sell"):
        offered(Query("1", "x", apis=(("Finance", "My Bank", "sell"),)))


def test_a_retriever_chooses_for_open_queries_alone() -> None:
    asked: list[tuple[str, int]] = []

    async def retrieve(text: str, top_k: int) -> list[str]:
        asked.append((text, top_k))
        return ["sold elsewhere", "buy"]

    events: list[Event] = []
    assert offered(Query("1", "x"), retrieve, events) == ("buy",)
    assert asked == [("x", 3)]
    assert [(event.name, event.data) for event in events] == [
        ("on_tool_retrieval_start", {"query": "x", "top_k": 3}),
        ("on_tool_retrieval_end", {"tools": ["buy"]}),
    ]
    assert offered(Query("1", "x", ("get_quotes",)), retrieve) == ("get_quotes",)
    assert len(asked) == 1

    async def nothing_known(text: str, top_k: int) -> list[str]:
        return ["sold elsewhere"]

    with pytest.raises(ConfigError, match="index"):
        offered(Query("1", "x"), nothing_known)

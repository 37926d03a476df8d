import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from octupus.agent.retrieve.client import RetrieverClient, RetrieverError
from octupus.agent.retrieve.corpus import RetrievalCorpus
from octupus.agent.retrieve.index import Index, build_index
from octupus.agent.retrieve.service import MAX_BODY_BYTES, MAX_QUERY_CHARACTERS, make_app


@pytest.fixture(scope="module")
def url(corpus: RetrievalCorpus, encoder_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("served") / "index"
    build_index(corpus.documents, encoder_directory, 64, directory)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(Index.open(directory), "fused"), log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_documents_come_best_first_with_what_is_told_of_them(url: str) -> None:
    answer = httpx.post(f"{url}/retrieve", json={"query": "a chess game", "top_k": 2}).json()
    assert answer["documents"][0]["id"] == "chess"
    assert len(answer["documents"]) == 2
    assert answer["documents"][0]["about"] == {"tool": "chess"}
    assert answer["documents"][0]["score"] > answer["documents"][1]["score"]
    assert answer["unknown"] == []


def test_only_some_documents_may_be_chosen_from_and_unknown_ones_are_told(url: str) -> None:
    body = {"query": "a chess game", "top_k": 5, "only": ["music", "gone"]}
    answer = httpx.post(f"{url}/retrieve", json=body).json()
    assert [document["id"] for document in answer["documents"]] == ["music"]
    assert answer["unknown"] == ["gone"]


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b"\xff", 400, None),
        (b"{}", 400, "query"),
        (b'{"query": ""}', 400, "query"),
        (json.dumps({"query": "x" * (MAX_QUERY_CHARACTERS + 1)}).encode(), 400, "query"),
        (b'{"query": "x", "top_k": 0}', 400, "top_k"),
        (b'{"query": "x", "top_k": 1001}', 400, "top_k"),
        (b'{"query": "x", "topk": 5}', 400, "topk"),
        (b'{"query": "x", "only": "music"}', 400, "only"),
        (b" " * (MAX_BODY_BYTES + 1), 413, None),
    ],
)
def test_bad_requests_get_openais_envelope(url: str, body: bytes, status: int, parameter: str | None) -> None:
    answer = httpx.post(f"{url}/retrieve", content=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", parameter)
    assert error["message"]


def test_other_routes_and_health(url: str) -> None:
    assert httpx.get(f"{url}/health").json() == {"status": "ok", "documents": 6, "method": "fused"}
    for answer in (httpx.get(f"{url}/nothing"), httpx.get(f"{url}/retrieve")):
        assert answer.status_code in (404, 405)
        assert "POST /retrieve" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["", "/", "/retrieve"])
def test_the_client_gives_names(url: str, path: str) -> None:
    async def ask() -> list[list[str]]:
        client = RetrieverClient(url + path)
        some = RetrieverClient(url, only=["music", "money"])
        try:
            answers = await asyncio.gather(*(client.retrieve("chess", 2) for _ in range(8)))
            return [*answers, await some.retrieve("chess", 5)]
        finally:
            await client.close()
            await some.close()

    *answers, few = asyncio.run(ask())
    assert all(answer == answers[0] and answer[0] == "chess" and len(answer) == 2 for answer in answers)
    assert sorted(few) == ["money", "music"]


def test_the_client_says_what_is_wrong(url: str) -> None:
    async def ask(address: str, query: str) -> None:
        client = RetrieverClient(address)
        try:
            await client.retrieve(query, 2)
        finally:
            await client.close()

    with pytest.raises(RetrieverError, match="status 400"):
        asyncio.run(ask(url, ""))
    with pytest.raises(RetrieverError, match="status 404"):
        asyncio.run(ask(url + "/elsewhere", "chess"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(RetrieverError, match="gives no tools: Connect"):
            asyncio.run(ask(f"http://127.0.0.1:{unused.getsockname()[1]}", "chess"))

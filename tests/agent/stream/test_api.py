"""What the agent's routes take and refuse, on a real server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from octupus.errors import ConfigError
from tests.agent.scripted_endpoint import ScriptedEndpoint, answers

from .serving import agent


def answering() -> ScriptedEndpoint:
    return ScriptedEndpoint(lambda messages, tools, seed: answers("done"))


REFUSED: list[tuple[Any, str | None, str]] = [
    ({}, "text", "required"),
    ({"text": 5}, "text", "string"),
    ({"text": ""}, "text", "at least 1"),
    ({"text": "x" * 101}, "text", "100"),
    ({"text": "a", "top_k": "3"}, "top_k", "integer"),
    ({"text": "a", "top_k": 0}, "top_k", "greater"),
    ({"text": "a", "top_k": 65}, "top_k", "64"),
    ({"text": "a", "seed": 1.5}, "seed", "integer"),
    ({"text": "a", "metod": "CoT@1"}, "metod", "did you mean method?"),
    ({"text": "a", "method": "BFS"}, "method", "CoT@1, CoT@3, DFS_woFilter_w2, DFS_w2"),
    ({"text": "a", "method": "CoT@999"}, "method", "choose one of"),
    ([], None, "object"),
]


def test_wrong_requests_are_refused_by_field_in_openais_envelope() -> None:
    async def run() -> None:
        async with agent(endpoint, {"limits": {"max_text_characters": 100}}) as asked:
            for body, field, said in REFUSED:
                response = await asked.client.post("/stream", json=body)
                error = response.json()["error"]
                assert response.status_code == 400, body
                assert (error["type"], error["param"]) == ("invalid_request_error", field), body
                assert said in error["message"], body
            for content in (b"{", b'{"text": NaN}', b"\xff", b""):
                response = await asked.client.post(
                    "/stream", content=content, headers={"content-type": "application/json"}
                )
                assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json"), content
            foreign = await asked.client.post("/stream", content=b'{"text": "a"}')
            assert foreign.status_code == 415, "what a browser sends to a foreign origin unasked"
            long = await asked.client.post("/stream", json={"text": "x" * 2_000_000})
            assert (long.status_code, long.json()["error"]["code"]) == (413, "too_large")
            lost = await asked.client.get("/nowhere")
            assert (lost.status_code, lost.json()["error"]["message"]) == (404, "GET /nowhere: Not Found")
            assert asked.service.running == 0
            assert not endpoint.requests

    endpoint = answering()
    try:
        asyncio.run(run())
    finally:
        endpoint.close()


def test_tools_methods_and_health_are_listed_and_the_tools_are_closed_at_the_end() -> None:
    async def run() -> None:
        async with agent(endpoint) as asked:
            told = (await asked.client.get("/tools")).json()
            assert [tool["function"]["name"] for tool in told["tools"]] == ["deposit", "balance"]
            assert told["tools"][0]["function"]["parameters"]["properties"] == {"cents": {"type": "integer"}}
            assert told["tools"][0]["collection"] == "in_process"
            assert (told["retrieval"], told["restorable"]) == (False, True)
            assert (await asked.client.get("/methods")).json() == {
                "methods": ["CoT@1", "CoT@3", "DFS_woFilter_w2", "DFS_w2"],
                "default": "CoT@1",
            }
            assert (await asked.client.get("/health")).json() == {"status": "ok", "running": 0}
            described = (await asked.client.get("/openapi.json")).json()
            body = described["paths"]["/stream"]["post"]["requestBody"]["content"]["application/json"]["schema"]
            assert set(body["properties"]) == {"text", "top_k", "method", "seed"}
            assert not asked.source.closed
        assert asked.source.closed

    endpoint = answering()
    try:
        asyncio.run(run())
    finally:
        endpoint.close()


def test_keys_guard_everything_but_health(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# ours\n s3cret \n\n")

    async def run() -> None:
        access = {"access": {"api_keys_file": str(keys), "api_keys_variable": "KEYS"}}
        async with agent(endpoint, access, variables={"KEYS": "other, third"}) as asked:
            for path in ("/tools", "/methods"):
                assert (await asked.client.get(path)).status_code == 401
            assert (await asked.client.get("/health")).status_code == 200
            for key, status in (("s3cret", 200), ("third", 200), ("# ours", 401), ("wrong", 401), ("é", 401)):
                headers = {"authorization": f"Bearer {key}".encode()}
                response = await asked.client.post("/stream", json={"text": "a"}, headers=headers)
                assert response.status_code == status, key
            refused = await asked.client.post("/stream", json={"text": "a"})
            assert refused.json()["error"]["code"] == "invalid_api_key"
            assert "bearer" in refused.headers["www-authenticate"].lower()
            keys.write_text("new")
            assert (await asked.client.get("/tools", headers={"authorization": "Bearer new"})).status_code == 200
            assert (await asked.client.get("/tools", headers={"authorization": "Bearer s3cret"})).status_code == 401

    endpoint = answering()
    try:
        asyncio.run(run())
        keys.write_text("# none\n")
        with pytest.raises(ConfigError, match="no API key"):
            asyncio.run(_open(endpoint, {"access": {"api_keys_file": str(keys)}}))
    finally:
        endpoint.close()


def test_methods_that_go_back_are_not_served_where_nothing_can_be_undone() -> None:
    async def run() -> None:
        async with agent(endpoint, restorable=False) as asked:
            assert (await asked.client.get("/methods")).json()["methods"] == ["CoT@1"]
            refused = await asked.client.post("/stream", json={"text": "a", "method": "DFS_w2"})
            assert refused.status_code == 400

    endpoint = answering()
    try:
        asyncio.run(run())
        searching = {"solver": {"method": "DFS_woFilter_w2"}}
        with pytest.raises(ConfigError, match="allow_unrestorable"):
            asyncio.run(_open(endpoint, searching, restorable=False))
        searching["solver"]["allow_unrestorable"] = True  # type: ignore[assignment]
        asyncio.run(_open(endpoint, searching, restorable=False))
    finally:
        endpoint.close()


async def _open(endpoint: ScriptedEndpoint, config: dict[str, Any], **options: Any) -> None:
    async with agent(endpoint, config, **options):
        pass

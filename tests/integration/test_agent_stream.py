"""The agent as a Ray Serve application: its own tools in their processes, a scripted endpoint, and clients that leave.

No model is needed: what the agent asks is a server of the test's own.
"""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import ray
from ray import serve

from octupus.agent.stream.app import build
from tests.agent.scripted_endpoint import ScriptedEndpoint, answers, calls

pytestmark = pytest.mark.timeout(300)

PORT = 8580
BASE = f"http://127.0.0.1:{PORT}/agent"
SOON_S = 5.0


def policy(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
    """Converts metres to feet and answers; or, when told to, goes on for ever."""
    spoken = sum(message["role"] == "assistant" for message in messages)
    endless = "for ever" in messages[1]["content"]
    if spoken and not endless:
        return answers(f"The tool said {messages[-1]['content']}")
    return calls(("convert_unit", {"value": 1 + spoken, "from_unit": "m", "to_unit": "ft"}))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ScriptedEndpoint]:
    scripted = ScriptedEndpoint(policy)
    yield scripted
    scripted.close()


@pytest.fixture(scope="module")
def agent(endpoint: ScriptedEndpoint) -> Iterator[httpx.Client]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": PORT})
        arguments = {
            "endpoint": {"base_url": endpoint.base_url, "max_attempts": 1},
            "tools": [{"library": ["units"]}],
            "solver": {"method": "CoT@1", "single_chain_max_step": 200, "max_query_count": 1000},
            "limits": {"max_concurrent_runs": 1},
        }
        serve.run(build(arguments), name="agent", route_prefix="/agent")
        with httpx.Client(base_url=BASE, timeout=60) as client:
            yield client
    finally:
        serve.shutdown()
        ray.shutdown()


def idle(agent: httpx.Client) -> None:
    deadline = time.monotonic() + SOON_S
    while agent.get("/health").json()["running"]:
        assert time.monotonic() < deadline, f"a run still goes on {SOON_S} s after its client went"
        time.sleep(0.02)


def test_a_question_is_worked_on_with_tools_that_run(agent: httpx.Client) -> None:
    assert "convert_unit" in [tool["function"]["name"] for tool in agent.get("/tools").json()["tools"]]
    response = agent.post("/stream", json={"text": "How many feet is a metre?"})
    lines = [json.loads(line) for line in response.text.splitlines()]
    result = next(line for line in lines if line["method_name"] == "on_tool_end")
    assert (result["tool_name"], result["status"]) == ("convert_unit", 0)
    assert "3.28" in result["output"]
    assert (lines[-1]["method_name"], lines[-1]["win"]) == ("on_request_end", True)
    assert "3.28" in lines[-1]["output"]


def test_lines_come_through_serve_while_the_work_goes_on_and_leaving_stops_it(
    agent: httpx.Client, endpoint: ScriptedEndpoint
) -> None:
    endpoint.delay_s = 0.2
    with agent.stream("POST", "/stream", json={"text": "Go on for ever."}) as response:
        lines = response.iter_lines()
        while json.loads(next(lines)).get("node") != 3:
            pass
        busy = httpx.post(f"{BASE}/stream", json={"text": "Me too."})
        assert (busy.status_code, busy.json()["error"]["code"]) == (429, "overloaded")
        assert busy.headers["retry-after"]
    idle(agent)
    spent = len(endpoint.requests)
    time.sleep(1.0)
    assert len(endpoint.requests) == spent
    endpoint.delay_s = 0.0
    assert agent.post("/stream", json={"text": "How many feet is a metre?"}).status_code == 200


def test_what_is_wrong_is_told_by_field(agent: httpx.Client) -> None:
    response = agent.post("/stream", json={"text": "a", "method": "BFS"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "method")
    assert agent.get("/nowhere").status_code == 404

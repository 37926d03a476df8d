"""Whole runs against a real HTTP endpoint that answers from the ground truth, and fails as it is told."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from octupus.errors import ConfigError, CorpusError
from octupus.evaluate.calls.config import EvaluateCallsConfig
from octupus.evaluate.calls.endpoint import EndpointError
from octupus.evaluate.calls.ledger import RunDirectoryError
from octupus.evaluate.calls.question import questions_of
from octupus.evaluate.calls.run import evaluate_calls
from octupus.evaluate.scoring import Reply

from .answering_server import AnsweringServer, answering_server
from .conversations import Bank, bank, no_call, weather
from .test_dataset import write_records

CONVERSATIONS = (
    *(weather(city) for city in ("Rome", "Oslo", "<script>alert(1)</script>")),
    weather("北京", language="zh"),
    no_call("Sing."),
    no_call("Dance."),
    bank(),
)
REQUESTS = 9


def prompt(messages: list[dict[str, Any]]) -> str:
    return json.dumps(messages, sort_keys=True)


TRUTH = {
    prompt(question.request.messages): question.request.expected_calls
    for conversation in CONVERSATIONS
    for question in questions_of(conversation, "all")
}


def oracle(request: dict[str, Any]) -> Reply:
    expected = TRUTH[prompt(request["messages"])]
    calls = tuple((name, json.dumps(arguments)) for name, arguments in expected)
    return Reply(calls=calls, content=None if calls else "I cannot.")


def configuration(server: AnsweringServer, directory: Path, **settings: Any) -> EvaluateCallsConfig:
    endpoint = {"base_url": server.base_url, "model": "small", "max_retries": 0, **settings.pop("endpoint", {})}
    source = write_records(directory / "held_out.parquet", settings.pop("conversations", CONVERSATIONS))
    output = directory / "run"
    return EvaluateCallsConfig(data=(source,), positions="all", endpoint=endpoint, output=output, **settings)


def run(config: EvaluateCallsConfig) -> dict[str, Any]:
    told = asyncio.run(evaluate_calls(config))
    assert str(config.output / "report.html") in told
    return json.loads((config.output / "calls.json").read_text("utf-8"))


def test_the_ground_truth_scores_everything(tmp_path: Path) -> None:
    with answering_server(oracle) as server:
        scores = run(configuration(server, tmp_path))
    overall = scores["overall"]
    assert (overall["requests"], overall["failed"], scores["failures"]) == (REQUESTS, 0, {})
    for name, share in overall.items():
        if isinstance(share, dict) and name != "mismatches":
            assert share["count"] == share["n"] > 0, name
    assert overall["argument_f1"] == 1
    assert {name: each["requests"] for name, each in scores["by_language"].items()} == {"en": 8, "zh": 1}
    assert {name: each["requests"] for name, each in scores["by_source"].items()} == {
        "bank": 3,
        "chatter": 2,
        "cities": 4,
    }
    assert set(scores["by_kind"]) == {"single", "no_call", "multi_turn"}
    assert (tmp_path / "run" / "run.json").is_file()


@pytest.mark.parametrize("failure", [(500, "{}"), (400, "{}"), (200, "<html>"), (200, '{"choices": []}'), Reply()])
def test_failed_requests_are_right_nowhere_and_asked_again(tmp_path: Path, failure: Any) -> None:
    failing = {prompt(questions_of(each, "first")[0].request.messages) for each in (CONVERSATIONS[0], CONVERSATIONS[4])}

    def answer(request: dict[str, Any]) -> Any:
        return failure if prompt(request["messages"]) in failing else oracle(request)

    with answering_server(answer) as server:
        config = configuration(server, tmp_path)
        overall = run(config)["overall"]
        assert overall["failed"] == 2
        assert (overall["right"]["count"], overall["right"]["n"]) == (REQUESTS - 2, REQUESTS)
        assert (overall["irrelevance"]["count"], overall["irrelevance"]["n"]) == (1, 2)
        assert (overall["relevance"]["count"], overall["relevance"]["n"]) == (6, 7)
        assert "nowhere right" in (tmp_path / "run" / "report.html").read_text("utf-8")
        server.requests.clear()
        server.answer = oracle
        assert run(config)["overall"]["right"]["share"] == 1
        assert {prompt(request["messages"]) for request in server.requests} == failing
        assert len(server.requests) == 2


def test_an_endpoint_that_always_fails_has_no_score(tmp_path: Path) -> None:
    with answering_server(lambda request: (500, "{}")) as server:
        with pytest.raises(EndpointError, match="all 9 requests failed, the first with status_500"):
            run(configuration(server, tmp_path))
        assert not (tmp_path / "run" / "calls.json").exists()
        server.answer = oracle
        assert run(configuration(server, tmp_path))["overall"]["right"]["share"] == 1


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with answering_server(oracle) as server:
        run(configuration(server, tmp_path, limit=4))
        scores = run(configuration(server, tmp_path))
        asked = [prompt(request["messages"]) for request in server.requests]
    assert scores["overall"]["right"]["count"] == REQUESTS
    assert sorted(asked) == sorted(TRUTH)
    # All is there, so that the scores can be had again without the endpoint.
    assert run(configuration(server, tmp_path)) == scores


def test_answers_of_something_else_are_refused_and_kept(tmp_path: Path) -> None:
    def kept() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}

    with answering_server(oracle) as server, answering_server(oracle) as other:
        run(configuration(server, tmp_path))
        before = kept()
        for config, named in (
            (configuration(server, tmp_path, endpoint={"model": "large"}), "model"),
            (configuration(server, tmp_path, endpoint={"temperature": 1}), "temperature"),
            (configuration(other, tmp_path), "base_url"),
            (configuration(server, tmp_path, conversations=CONVERSATIONS[:3]), "dataset_sha256"),
        ):
            with pytest.raises(RunDirectoryError, match=named):
                run(config)
            assert kept() == before
        assert len(server.requests) == REQUESTS
        assert other.requests == []


@pytest.mark.parametrize(
    ("settings", "models", "error", "said"),
    [
        ({"endpoint": {"model": "huge"}}, None, EndpointError, "it serves: small, large"),
        ({}, (401, "{}"), EndpointError, "api_key_variable"),
        ({}, (200, "<html>"), EndpointError, "not OpenAI-compatible"),
        ({"split": "train"}, None, CorpusError, "splits found: 'test'"),
    ],
)
def test_bad_input_writes_nothing(
    tmp_path: Path, settings: dict[str, Any], models: Any, error: type[Exception], said: str
) -> None:
    with answering_server(oracle) as server:
        server.models = models or server.models
        with pytest.raises(error, match=said):
            run(configuration(server, tmp_path, **settings))
    assert server.requests == []
    assert not (tmp_path / "run").exists()


def test_an_endpoint_that_is_down_writes_nothing(tmp_path: Path) -> None:
    with answering_server() as server:
        config = configuration(server, tmp_path)
    with pytest.raises(EndpointError, match=server.base_url):
        run(config)
    assert not (tmp_path / "run").exists()


def test_failures_can_be_read_in_the_report_and_nothing_in_them_is_markup(tmp_path: Path) -> None:
    def answer(request: dict[str, Any]) -> Reply:
        return Reply(calls=(("weather", '{"city": "<b>Atlantis</b>"}'),))

    with answering_server(answer) as server:
        scores = run(configuration(server, tmp_path))
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert page.count("<details>") == 2 * REQUESTS
    assert "&lt;b&gt;Atlantis&lt;/b&gt;" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "<b>" not in page
    assert scores["overall"]["irrelevance"]["count"] == 0
    assert scores["overall"]["mismatches"] == {"wrong_value": 4, "wrong_tool": 3}


def test_conversations_are_executed(tmp_path: Path) -> None:
    """The model says 2 where the truth says 5 and 2: its single answers are wrong, and its executed turns, too."""

    def answer(request: dict[str, Any]) -> Reply:
        last = request["messages"][-1]["role"]
        return Reply(content="Done.") if last == "tool" else Reply(calls=(("deposit", '{"amount": 2}'),))

    environment = {"python_class": f"{Bank.__module__}:Bank", "max_steps": 4}
    with answering_server(answer) as server:
        config = configuration(server, tmp_path, environment=environment, conversations=(bank(), no_call("Sing.")))
        scores = run(config)
        asked = len(server.requests)
        assert run(config) == scores
        assert len(server.requests) == asked == 4 + 4
    executed = scores["executed"]
    assert (executed["conversations"], executed["failed"], executed["too_long"]) == (1, 0, 0)
    assert executed["conversations_right"]["count"] == executed["turns_right"]["count"] == 0
    assert scores["overall"]["ast"]["count"] == 1
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "Executed conversations" in page
    assert page.count("<summary>wrong · en · bank") == 1


class Broken(Bank):
    def balance(self) -> Any:
        return object()


def test_a_broken_environment_stops_the_run_with_its_own_error(tmp_path: Path) -> None:
    with answering_server(lambda request: Reply(calls=(("balance", "{}"),))) as server:
        environment = {"python_class": f"{Broken.__module__}:Broken"}
        config = configuration(server, tmp_path, environment=environment, conversations=(bank(),))
        with pytest.raises(ConfigError, match=r"Broken\.balance returned what is no JSON"):
            run(config)

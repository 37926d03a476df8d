"""The oracle over HTTP, asked as the harness asks: through the `openai` package, on both APIs."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.bfcl_oracle import Failure, Kind, Selection, oracle
from tests.bfcl_oracle.items import CATEGORIES, MORE_FUNCTIONS

HTTP = httpx.Client(verify=False, timeout=5)
CLIENT = openai.OpenAI(base_url="http://127.0.0.1", api_key="EMPTY", timeout=5)
"""One of each for all: to make one takes longer than a request."""

Called = list[tuple[str, dict[str, Any]]]
"""The calls of an answer by name and arguments."""


def function(name: str, **properties: str) -> dict[str, Any]:
    described = {key: {"type": declared, "description": key} for key, declared in properties.items()}
    schema = {"type": "dict", "properties": described, "required": list(properties)}
    return {"name": name, "description": f"Does {name}.", "parameters": schema}


def sent(name: str, **properties: str) -> dict[str, Any]:
    """The function as the harness sends it: a hint behind the description, no dots in the name."""
    own = function(name, **properties)
    schema = own["parameters"] | {"type": "object"}
    return own | {"name": name.replace(".", "_"), "description": own["description"] + " Note.", "parameters": schema}


AREA, CD, SORT = sent("shape.area", base="integer"), sent("cd", folder="string"), sent("sort", file_name="string")


def says(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of a few items in BFCL's own format."""
    directory = tmp_path_factory.mktemp("data")
    (directory / "possible_answer").mkdir()
    area = function("shape.area", base="integer")
    files: dict[str, list[dict[str, Any]]] = {name: [] for name in CATEGORIES}
    for category, number, question in (
        ("simple_python", 0, "Area of 3?"),
        ("simple_python", 1, "Area of 4?"),
        ("live_irrelevance", 1, "Area of 4?"),
        ("irrelevance", 0, "Who am I?"),
    ):
        files[category] += [{"id": f"{category}_{number}", "question": [says(question)], "function": [area]}]
    turns = {"id": "multi_turn_base_0", "question": [says("Go to a."), says("Sort b.")]}
    missing = {"id": "multi_turn_miss_func_0", "missed_function": {"2": ["sort"]}}
    files["multi_turn_base"] = [turns]
    files["multi_turn_miss_func"] = [missing | {"question": [*turns["question"], []]}]
    move, sort = ["cd(folder='a')", "cd('..')"], ["sort('b')"]
    answers: dict[str, list[Any]] = {
        "simple_python": [
            {"id": f"simple_python_{number}", "ground_truth": [{"shape.area": {"base": [base]}}]}
            for number, base in enumerate((3, 4))
        ],
        "multi_turn_base": [{"id": "multi_turn_base_0", "ground_truth": [move, sort]}],
        "multi_turn_miss_func": [{"id": "multi_turn_miss_func_0", "ground_truth": [move, [], sort]}],
    }
    for place, rows_by_name in ((directory, files), (directory / "possible_answer", answers)):
        for name, rows in rows_by_name.items():
            (place / f"BFCL_v4_{name}.json").write_text(
                "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
            )
    return directory


def client_of(base_url: str, key: str = "EMPTY", retries: int = 0) -> openai.OpenAI:
    return CLIENT.with_options(base_url=base_url, api_key=key, max_retries=retries)


class ChatAsker:
    """A conversation by Chat Completions, which sends the assistant's own messages back as the harness does."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client
        self._messages: list[Any] = []

    def ask(self, text: str | None, *functions: dict[str, Any]) -> Called:
        self._messages += says(text) if text else []
        tools: Any = [{"type": "function", "function": each} for each in functions] or openai.omit
        answer = self._client.chat.completions.create(model="m", messages=self._messages, tools=tools)
        assert answer.usage is not None
        assert answer.usage.total_tokens > answer.usage.prompt_tokens > 0
        message = answer.choices[0].message
        self._messages.append(message)
        calls = message.tool_calls or []
        assert (message.content is None) == bool(calls)
        self._messages += [{"role": "tool", "content": "None", "tool_call_id": call.id} for call in calls]
        return [(call.function.name, json.loads(call.function.arguments)) for call in calls if call.type == "function"]


class ResponsesAsker:
    """The same by Responses."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client
        self._input: list[Any] = []

    def ask(self, text: str | None, *functions: dict[str, Any]) -> Called:
        self._input += says(text) if text else []
        tools: Any = [{"type": "function"} | each for each in functions] or openai.omit
        answer = self._client.responses.create(model="m", input=self._input, tools=tools, store=False)
        assert answer.usage is not None
        assert answer.usage.total_tokens > answer.usage.input_tokens > 0
        self._input += answer.output
        calls = [each for each in answer.output if each.type == "function_call"]
        assert bool(answer.output_text) != bool(calls)
        self._input += [{"type": "function_call_output", "call_id": call.call_id, "output": "None"} for call in calls]
        return [(call.name, json.loads(call.arguments)) for call in calls]


Asker = Callable[[openai.OpenAI], ChatAsker | ResponsesAsker]
both_apis = pytest.mark.parametrize("asker", [ChatAsker, ResponsesAsker])


@pytest.fixture(scope="module")
def base_url(data: Path) -> Iterator[str]:
    with oracle(data) as url:
        yield url


@both_apis
def test_a_call_is_answered_by_the_call_and_irrelevance_by_content(asker: Asker, base_url: str) -> None:
    client = client_of(base_url)

    assert asker(client).ask("Area of 3?", AREA) == [("shape_area", {"base": 3})]
    assert asker(client).ask("Who am I?", AREA) == []


@both_apis
def test_a_turn_is_all_its_calls_and_then_content(asker: Asker, base_url: str) -> None:
    talk = asker(client_of(base_url))

    assert talk.ask("Go to a.", CD, SORT) == [("cd", {"folder": "a"}), ("cd", {"folder": ".."})]
    assert talk.ask(None, CD, SORT) == []
    assert talk.ask("Sort b.", CD, SORT) == [("sort", {"file_name": "b"})]
    assert talk.ask(None, CD, SORT) == []


@both_apis
def test_a_held_out_tool_is_called_when_it_comes(asker: Asker, base_url: str) -> None:
    talk = asker(client_of(base_url))

    assert talk.ask("Go to a.", CD)
    assert talk.ask(None, CD) == []
    assert talk.ask("Sort b.", CD) == []
    assert talk.ask(MORE_FUNCTIONS, CD, SORT) == [("sort", {"file_name": "b"})]


@both_apis
def test_calls_can_be_sent_one_by_one(asker: Asker, data: Path) -> None:
    with oracle(data, one_by_one=True) as base_url:
        talk = asker(client_of(base_url))

        assert [talk.ask(text, CD, SORT) for text in ("Go to a.", None, None)] == [
            [("cd", {"folder": "a"})],
            [("cd", {"folder": ".."})],
            [],
        ]


@both_apis
def test_the_unknown_is_answered_by_any_call_and_counted(asker: Asker, data: Path) -> None:
    with oracle(data) as base_url:
        assert asker(client_of(base_url)).ask("Not in the benchmark.", SORT) == [("sort", {"file_name": "text"})]
        # An item's words with other tools are not the item.
        assert asker(client_of(base_url)).ask("Area of 3?", AREA, SORT) == [("shape_area", {"base": 1})]
        assert asker(client_of(base_url)).ask("Area of 3?", AREA) == [("shape_area", {"base": 3})]

        assert HTTP.get(f"{base_url}/statistics").json() == {"requests simple_python": 1, "requests unknown": 2}


@pytest.mark.parametrize("question", ["Area of 3?", "Who am I?"])
def test_bodies_are_what_openai_sends_with_nothing_left_over(question: str, base_url: str) -> None:
    root = base_url.removesuffix("/v1")  # the same routes without /v1
    chat = {"model": "m", "messages": says(question), "tools": [{"type": "function", "function": AREA}]}
    responses = {"model": "m", "input": says(question), "tools": [{"type": "function"} | AREA]}

    for path, asked, shape in (("/chat/completions", chat, ChatCompletion), ("/responses", responses, Response)):
        body = HTTP.post(root + path, json=asked).json()
        read = shape.model_validate(body, extra="forbid")
        assert read.model_dump(mode="json", exclude_unset=True) == body


def test_the_list_of_models_is_openais(data: Path) -> None:
    with oracle(data, models=["one", "two"]) as base_url:
        assert [model.id for model in client_of(base_url).models.list()] == ["one", "two"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.SERVER_ERROR, openai.InternalServerError),
        (Kind.BAD_REQUEST, openai.BadRequestError),
        (Kind.TOO_MANY_REQUESTS, openai.RateLimitError),
        (Kind.UNAUTHORISED, openai.AuthenticationError),
        (Kind.BROKEN_BODY, json.JSONDecodeError),
        (Kind.RESET, openai.APIConnectionError),
    ],
)
@both_apis
def test_a_failure_is_the_openai_packages_own_error(
    asker: Asker, kind: Kind, error: type[Exception], data: Path
) -> None:
    with oracle(data, [Failure(kind, Selection.parse("simple_python"))]) as base_url:
        with pytest.raises(error):
            asker(client_of(base_url)).ask("Area of 3?", AREA)

        assert asker(client_of(base_url)).ask("Who am I?", AREA) == []
        assert HTTP.get(f"{base_url}/statistics").json()[f"failures {kind}"] == 1


def test_a_failure_of_the_first_requests_is_overcome_by_a_retry(data: Path) -> None:
    with oracle(data, [Failure(Kind.TOO_MANY_REQUESTS, Selection.parse("first:1"))]) as base_url:
        assert ChatAsker(client_of(base_url, retries=2)).ask("Area of 3?", AREA)

        assert HTTP.get(f"{base_url}/statistics").json() == {"failures 429": 1, "requests simple_python": 2}


def test_retries_do_not_overcome_a_share(data: Path) -> None:
    with oracle(data, [Failure(Kind.TOO_MANY_REQUESTS, Selection.parse("1"))]) as base_url:
        with pytest.raises(openai.RateLimitError):
            ChatAsker(client_of(base_url, retries=2)).ask("Area of 3?", AREA)

        assert HTTP.get(f"{base_url}/statistics").json()["failures 429"] == 3
        # What is no item's is spared: a caller's probe gets through to a run that then fails.
        assert ChatAsker(client_of(base_url)).ask("A probe.", AREA)


def test_usage_can_be_missing_and_arguments_no_json_even_where_no_call_belongs(data: Path) -> None:
    broken = Failure(Kind.BROKEN_ARGUMENTS, Selection.parse("irrelevance"))
    unmeasured = Failure(Kind.MISSING_USAGE, Selection.parse("simple_python"))
    with oracle(data, [broken, unmeasured]) as base_url:
        asked: dict[str, Any] = {"tools": [{"type": "function", "function": AREA}]}
        counted = HTTP.post(f"{base_url}/chat/completions", json=asked | {"messages": says("Area of 3?")}).json()
        called = HTTP.post(f"{base_url}/chat/completions", json=asked | {"messages": says("Who am I?")}).json()

    assert "usage" not in counted
    [call] = called["choices"][0]["message"]["tool_calls"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(call["function"]["arguments"])


def test_silence_lasts_until_the_client_gives_up_and_ends_with_the_server(data: Path) -> None:
    with oracle(data, [Failure(Kind.SILENCE)]) as base_url, pytest.raises(httpx.ReadTimeout):
        HTTP.get(f"{base_url}/models", timeout=0.2)


def test_a_page_is_no_api(data: Path) -> None:
    with oracle(data, [Failure(Kind.HTML)]) as base_url:
        for answer in (HTTP.get(f"{base_url}/models"), HTTP.post(f"{base_url}/responses", json={"input": "Hello"})):
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/html")


def test_a_key_can_be_required(data: Path) -> None:
    with oracle(data, api_key="right") as base_url:
        assert ChatAsker(client_of(base_url, key="right")).ask("Area of 3?", AREA)
        with pytest.raises(openai.AuthenticationError):
            client_of(base_url, key="wrong").models.list()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/chat/completions", b"{", 400),
        ("/chat/completions", b"[]", 400),
        ("/chat/completions", b'{"messages": 1}', 400),
        ("/responses", b"{}", 400),
        ("/chat/completions", b'{"messages": [], "stream": true}', 400),
        ("/embeddings", b"{}", 404),
    ],
)
def test_what_it_cannot_answer_is_refused_in_openais_envelope(
    path: str, body: bytes, status: int, base_url: str
) -> None:
    answer = HTTP.post(base_url + path, content=body)

    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_what_is_no_data_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="BFCL_v4_simple_python"), oracle(tmp_path):
        pass
    with pytest.raises(ValueError, match="unknown category sums"), oracle(tmp_path, categories=["sums"]):
        pass


def test_twins_are_told_apart_by_the_categories_loaded(data: Path) -> None:
    with oracle(data) as base_url:
        assert ChatAsker(client_of(base_url)).ask("Area of 4?", AREA) == [("shape_area", {"base": 4})]
        counts = HTTP.get(f"{base_url}/statistics").json()
    with oracle(data, categories=["live_irrelevance"]) as base_url:
        assert ChatAsker(client_of(base_url)).ask("Area of 4?", AREA) == []

    assert counts == {"ambiguous simple_python": 1, "requests simple_python": 1}


def test_the_command_serves_until_it_is_stopped(data: Path) -> None:
    command = [sys.executable, "-m", "tests.bfcl_oracle", "--data", str(data), "--fail", "400", "--on", "irrelevance"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            client = client_of(process.stdout.readline().strip())

            assert ChatAsker(client).ask("Area of 3?", AREA) == [("shape_area", {"base": 3})]
            with pytest.raises(openai.BadRequestError):
                ChatAsker(client).ask("Who am I?", AREA)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0

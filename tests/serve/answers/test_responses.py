"""A Responses answer is the fold of its stream, and OpenAI's own client reads both."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from octupus.chat.hermes import THINK, THINK_END
from octupus.chat.registry import ModelChat, model_chat
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.serve.answers.answer import Answer
from octupus.serve.answers.logprobs import TokenTexts
from octupus.serve.answers.responses import ResponseWriter, response_json, response_sse
from octupus.serve.engine.sampling import Generated
from octupus.serve.protocol.responses import ResponsesRequest, parse_responses_request, turn_request_of
from tests.chat.conftest import write_qwen
from tests.chat_strategies import ids_of

CALL, CALL_END, END = "<tool_call>", "</tool_call>", "<|im_end|>"
PARIS = '\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n'
ROME = '\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n'
TURN = [THINK, "\nRain?\n", THINK_END, "\n\nI look.\n", CALL, PARIS, CALL_END, "\n", CALL, ROME, CALL_END, END]
PIECES = [*TURN, "{}", "get", '{"city": "', "北京", "\n", *("<|CONTENT|>", "<|FUNCTION_CALL|>", "<|PARAMETERS|>")]
"""Of both dialects; where the other's control tokens are none, they are text."""
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}


@pytest.fixture(scope="module")
def chats(tokenizer_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelChat]:
    """Models of both dialects; the hermes one thinks."""
    qwen = write_qwen(tmp_path_factory.mktemp("qwen3"), thinks=True)
    return {"octupus": model_chat(tokenizer_directory), "hermes": model_chat(qwen)}


@pytest.fixture(scope="module")
def hermes(chats: dict[str, ModelChat]) -> ModelChat:
    return chats["hermes"]


def request_of(**fields: Any) -> ResponsesRequest:
    return parse_responses_request(json.dumps({"model": "m", "input": "hi"} | fields).encode())


def answer_of(chat: ModelChat) -> Answer:
    tokens = chat.tokenizer.control_tokens
    thinking = (tokens[THINK], tokens[THINK_END]) if THINK in tokens else None
    return Answer(chat.dialect.parser(chat.tokenizer), 7, thinking=thinking)


def written(
    chat: ModelChat,
    batches: Sequence[Generated],
    request: ResponsesRequest | None = None,
    prepare: Callable[[Answer], None] = lambda answer: None,
) -> tuple[list[Any], ResponseWriter, Answer]:
    """The events of a whole answer, its writer, and what it writes. `prepare` sees the answer before its end."""
    request = request or request_of()
    answer = answer_of(chat)
    texts = None if request.logprobs is None else TokenTexts(TokenVocabulary(chat.tokenizer))
    writer = ResponseWriter(request, answer, "m", "resp_1", 1_700_000_000, texts)
    events = writer.begin()
    for batch in batches:
        events += writer.push(answer.push(batch))
    prepare(answer)
    return events + writer.finish(), writer, answer


def generated(tokenizer: ChatTokenizer, *pieces: str, reason: str = "stop", size: int = 1) -> list[Generated]:
    """Ids of the pieces, `size` at a time."""
    ids = ids_of(tokenizer, *pieces)
    return [*(Generated(ids[place : place + size]) for place in range(0, len(ids), size)), Generated([], reason)]


def received(events: Sequence[Any]) -> list[dict[str, Any]]:
    """The events behind the wire."""
    lines = [response_sse(event).split("\n") for event in events]
    values = [json.loads(data.removeprefix("data: ")) for _, data, *_ in lines]
    assert [name for name, *_ in lines] == [f"event: {value['type']}" for value in values]
    return values


def folded(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output as a client builds it from the deltas alone; what closes an item must agree with them."""
    output: list[dict[str, Any]] = []
    is_open = False
    for event in events:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert not is_open
            assert event["output_index"] == len(output)
            output.append(event["item"])
            is_open = True
            continue
        if "output_index" not in event:
            continue
        assert is_open
        item = output[event["output_index"]]
        if kind == "response.output_item.done":
            item["status"] = event["item"]["status"]
            assert item == event["item"]
            is_open = False
            continue
        assert event["item_id"] == item["id"]
        if kind == "response.content_part.added":
            assert event["content_index"] == len(item["content"])
            item["content"].append(event["part"])
        elif kind == "response.content_part.done":
            assert item["content"][event["content_index"]] == event["part"]
        elif kind == "response.output_text.delta":
            item["content"][0]["text"] += event["delta"]
            item["content"][0]["logprobs"] += event["logprobs"]
        elif kind == "response.reasoning_text.delta":
            item["content"][0]["text"] += event["delta"]
        elif kind == "response.function_call_arguments.delta":
            item["arguments"] += event["delta"]
        elif kind == "response.function_call_arguments.done":
            assert event["arguments"] == item["arguments"]
        else:
            assert kind in ("response.output_text.done", "response.reasoning_text.done")
            assert event["text"] == item["content"][0]["text"]
    assert not is_open
    return output


def text_of(output: Sequence[dict[str, Any]], kind: str) -> str:
    return "".join(part["text"] for item in output if item["type"] == kind for part in item["content"])


@pytest.mark.parametrize("name", ["octupus", "hermes"])
@settings(deadline=None)
@given(data=st.data())
def test_the_whole_answer_is_the_fold_of_the_stream(
    chats: dict[str, ModelChat], name: str, data: st.DataObject
) -> None:
    chat = chats[name]
    pieces = data.draw(st.lists(st.sampled_from(PIECES) | st.sampled_from([*chat.tokenizer.control_tokens])))
    ids = ids_of(chat.tokenizer, *pieces) + data.draw(st.lists(st.integers(0, len(chat.tokenizer) - 1), max_size=8))
    reason, size = data.draw(st.sampled_from(["stop", "length"])), data.draw(st.integers(1, 9))
    scored = data.draw(st.booleans())
    batches = [
        Generated(batch, scores=[[(token_id, -0.5)] for token_id in batch] if scored else None)
        for batch in (ids[place : place + size] for place in range(0, len(ids), size))
    ]
    request = request_of(include=["message.output_text.logprobs"] if scored else [])
    events, writer, answer = written(chat, [*batches, Generated([], reason)], request)

    events_received = received(events)
    assert [event["sequence_number"] for event in events_received] == list(range(len(events)))
    assert [event["type"] for event in events_received[:2]] == ["response.created", "response.in_progress"]
    assert events_received[-1]["type"] == "response." + ("incomplete" if reason == "length" else "completed")
    whole = json.loads(response_json(writer.response()))
    output = folded(events_received)
    assert events_received[-1]["response"] == whole
    assert whole["output"] == output

    message = answer.message
    assert text_of(output, "message") == (message.content or "")
    assert text_of(output, "reasoning") == answer.reasoning
    assert [
        (item["call_id"], item["name"], item["arguments"]) for item in output if item["type"] == "function_call"
    ] == [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
    assert len({item["id"] for item in output}) == len(output)
    usage = whole["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (7, len(ids))
    assert usage["output_tokens_details"]["reasoning_tokens"] == (answer.reasoning_tokens or 0)
    if not scored:  # How the deltas were grouped makes no difference.
        at_once = ResponseWriter(request, answer, "m", "resp_1", 1_700_000_000)
        at_once.push(answer.deltas)
        at_once.finish()
        assert at_once.response() == writer.response()


def test_the_events_come_in_the_order_that_openai_sends(hermes: ModelChat) -> None:
    events, _, _ = written(hermes, generated(hermes.tokenizer, *TURN, size=100))
    shown = ["output_item.added", "content_part.added"], ["content_part.done", "output_item.done"]
    call = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    kinds = [event.type.removeprefix("response.") for event in events]
    assert [kind for place, kind in enumerate(kinds) if kind not in kinds[place - 1 : place]] == [
        *("created", "in_progress"),
        *(*shown[0], "reasoning_text.delta", "reasoning_text.done", *shown[1]),
        *(*shown[0], "output_text.delta", "output_text.done", *shown[1]),
        *call,
        *call,
        "completed",
    ]


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        (["I lo"], ["incomplete"]),
        ([THINK, "\nRai"], ["incomplete"]),
        (["I look.\n", CALL, '\n{"name": "get_weather", "arguments": {"city": "Pa'], ["completed", "incomplete"]),
        (["I look.\n", CALL, '\n{"name": "get_weather", "arguments": {"city": "Paris"}'], ["completed", "completed"]),
        ([CALL, PARIS, CALL_END], ["completed"]),
        ([], []),
    ],
)
def test_an_answer_out_of_budget_is_incomplete_and_tells_which_item_is(
    hermes: ModelChat, pieces: list[str], statuses: list[str]
) -> None:
    _, writer, _ = written(hermes, generated(hermes.tokenizer, *pieces, reason="length"))
    response = writer.response()
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert [item.status for item in response.output] == statuses  # type: ignore[union-attr]


def test_a_turn_closed_in_time_is_incomplete_and_its_items_whole(hermes: ModelChat) -> None:
    def hurried(answer: Answer) -> None:
        answer.cut_short = True
        answer.notes["violations"] = []

    events, writer, _ = written(hermes, generated(hermes.tokenizer, CALL, PARIS, CALL_END, END), prepare=hurried)
    response = writer.response()
    assert (response.status, response.output[0].status) == ("incomplete", "completed")  # type: ignore[union-attr]
    assert received(events)[-1]["response"]["octupus"] == {"violations": []}


def test_an_empty_turn_holds_an_empty_message(hermes: ModelChat) -> None:
    events, writer, _ = written(hermes, generated(hermes.tokenizer, THINK, "\nNo.\n", THINK_END, "\n\n", END))
    assert [item.type for item in writer.response().output] == ["reasoning", "message"]
    assert writer.response().output_text == ""
    assert folded(received(events)) == json.loads(response_json(writer.response()))["output"]


def test_the_request_is_told_back(hermes: ModelChat) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    request = request_of(
        instructions="Be brief.",
        store=True,
        metadata={"a": "b"},
        temperature=0.5,
        tools=[WEATHER, {"type": "function", "function": {"name": "get"}}],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get"}]},
        text={"format": {"type": "json_schema", "name": "n", "schema": schema}},
        reasoning={"effort": "low", "summary": "auto"},
        truncation="auto",
    )
    events, _, _ = written(hermes, generated(hermes.tokenizer, "hi", END), request)
    told = received(events)[-1]["response"]
    assert {field: told[field] for field in ("instructions", "store", "metadata", "temperature", "truncation")} == {
        "instructions": "Be brief.",
        "store": False,
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "truncation": "disabled",
    }
    assert told["tools"] == [
        WEATHER,
        {"type": "function", "name": "get", "description": None, "parameters": None, "strict": True},
    ]
    assert told["tool_choice"]["tools"] == [{"type": "function", "name": "get"}]
    assert told["text"]["format"]["schema"] == schema
    assert told["reasoning"] == {"effort": "low", "summary": "auto"}
    assert told["previous_response_id"] is None
    assert isinstance(told["created_at"], int)


class Wire(httpx2.MockTransport):
    """What the client talks to instead of a socket: reads its requests and writes answers of these turns."""

    def __init__(self, chat: ModelChat, *turns: Sequence[str]) -> None:
        super().__init__(self._answer)
        self._chat = chat
        self._turns = iter(turns)
        self.conversations: list[Conversation] = []
        self.fails = False

    def _answer(self, http_request: httpx2.Request) -> httpx2.Response:
        request = parse_responses_request(http_request.content)
        self.conversations.append(turn_request_of(request, 8).conversation)
        batches = generated(self._chat.tokenizer, *next(self._turns), size=3)
        if request.logprobs is not None:
            scored = [(batch, [[(id_, -0.5), (id_, -0.5), (1, -1.0)] for id_ in batch.ids]) for batch in batches]
            batches = [batch._replace(scores=scores) for batch, scores in scored]
        events, writer, _ = written(self._chat, batches, request)
        if not request.stream:
            return httpx2.Response(
                200, content=response_json(writer.response()), headers={"content-type": "application/json"}
            )
        if self.fails:
            events[-1:] = writer.fail("the engine failed", "engine_failed")
        body = "".join(response_sse(event) for event in events)
        return httpx2.Response(200, content=body.encode(), headers={"content-type": "text/event-stream"})


def client_of(wire: Wire) -> openai.OpenAI:
    http_client = openai.DefaultHttpxClient(transport=wire)
    return openai.OpenAI(api_key="key", base_url="http://octupus/v1", http_client=http_client, max_retries=0)


def async_client_of(wire: Wire) -> openai.AsyncOpenAI:
    http_client = openai.DefaultAsyncHttpxClient(transport=wire)
    return openai.AsyncOpenAI(api_key="key", base_url="http://octupus/v1", http_client=http_client, max_retries=0)


class City(BaseModel):
    """Arguments of the tool, and an answer's form."""

    city: str


TOOL = openai.pydantic_function_tool(City, name="get_weather")
FLAT_TOOL: Any = {"type": "function", **TOOL["function"]}


def test_the_client_folds_the_stream(hermes: ModelChat) -> None:
    with client_of(Wire(hermes, TURN)).responses.stream(model="m", input="hi", tools=[FLAT_TOOL]) as stream:
        texts = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert texts[-1] == response.output_text == "I look."
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    calls = [item for item in response.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]


def test_the_async_client_folds_the_stream(hermes: ModelChat) -> None:
    async def streamed() -> Any:
        async with async_client_of(Wire(hermes, TURN)).responses.stream(model="m", input="hi") as stream:
            return await stream.get_final_response()

    async def created() -> Any:
        return await async_client_of(Wire(hermes, TURN)).responses.create(model="m", input="hi")

    from_stream, whole = asyncio.run(streamed()), asyncio.run(created())
    assert from_stream.output_text == whole.output_text == "I look."
    assert [item.type for item in from_stream.output] == [item.type for item in whole.output]
    assert from_stream.usage == whole.usage


def test_the_client_parses_answers(hermes: ModelChat) -> None:
    client = client_of(Wire(hermes, ['{"city": "Paris"}', END], ['{"city": "Rome"}', END]))
    parsed = client.responses.parse(model="m", input="Where?", text_format=City)
    assert parsed.output_parsed == City(city="Paris")
    with client.responses.stream(model="m", input="Where?", text_format=City) as stream:
        assert stream.get_final_response().output_parsed == City(city="Rome")


def test_what_the_client_received_can_be_sent_back(hermes: ModelChat) -> None:
    wire = Wire(hermes, TURN, ["Rain.", END])
    client = client_of(wire)
    first = client.responses.create(model="m", input="hi", tools=[FLAT_TOOL])
    calls = [item for item in first.output if item.type == "function_call"]
    results: list[Any] = [
        {"type": "function_call_output", "call_id": call.call_id, "output": call.arguments} for call in calls
    ]
    history: list[Any] = [{"role": "user", "content": "hi"}, *first.output, *reversed(results)]
    second = client.responses.create(model="m", input=history, tools=[FLAT_TOOL])
    assert second.output_text == "Rain."
    messages = wire.conversations[1].messages
    assert [message.role for message in messages] == ["user", "assistant", "tool", "tool"]
    assert messages[1].content == "I look."
    assert [call.id for call in messages[1].tool_calls] == [call.call_id for call in calls]
    assert [message.content for message in messages[2:]] == ['{"city": "Paris"}', '{"city": "Rome"}']


def test_the_client_sees_a_failure(hermes: ModelChat) -> None:
    wire = Wire(hermes, TURN)
    wire.fails = True
    events: Iterator[Any] = iter(client_of(wire).responses.create(model="m", input="hi", stream=True))
    *_, error, failed = events
    assert (error.type, error.code, error.message) == ("error", "engine_failed", "the engine failed")
    assert failed.type == "response.failed"
    assert failed.response.status == "failed"
    assert failed.response.error.message == "the engine failed"


def test_half_a_surrogate_pair_in_a_note_or_an_error_reaches_the_client(hermes: ModelChat) -> None:
    def noted(answer: Answer) -> None:
        answer.notes["violations"] = ["\ud800 北京"]

    events, writer, _ = written(hermes, generated(hermes.tokenizer, "hi", END), prepare=noted)
    wire = "".join(map(response_sse, [events[-1], *writer.fail("\ud800", "engine_failed")])).encode()
    completed, error, failed = (json.loads(line[6:]) for line in wire.splitlines() if line.startswith(b"data: "))
    assert completed["response"]["octupus"] == {"violations": ["\ud800 北京"]}
    assert error["message"] == failed["response"]["error"]["message"] == "\ud800"


def test_a_failure_keeps_what_was_written(hermes: ModelChat) -> None:
    answer = answer_of(hermes)
    writer = ResponseWriter(request_of(), answer, "m", "resp_1", 0)
    writer.begin()
    writer.push(answer.push(Generated(ids_of(hermes.tokenizer, "I look.\n", CALL, PARIS[:-8]))))
    failed = writer.fail("the engine failed", "engine_failed")[-1]
    assert failed.type == "response.failed"
    assert failed.response == writer.response()
    assert [item.status for item in writer.response().output] == ["completed", "incomplete"]  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", [False, True])
def test_the_client_reads_scores(hermes: ModelChat, stream: bool) -> None:
    client = client_of(Wire(hermes, ["I look.", END]))
    fields: dict[str, Any] = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "stream": stream}
    response: Any = client.responses.create(model="m", input="hi", **fields)
    if stream:
        *_, last = response
        response = last.response
    scores = response.output[0].content[0].logprobs
    assert "".join(score.token for score in scores) == "I look."
    assert {(score.logprob, len(score.top_logprobs)) for score in scores} == {(-0.5, 2)}

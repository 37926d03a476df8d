"""The hermes dialect: golden text and ids of Qwen2.5 and Qwen3, and what an unconstrained model may write."""

import json
from pathlib import Path

import pytest

from octupus.chat.dialect import CallDelta, ContentDelta, Delta, ReasoningDelta
from octupus.chat.hermes import HERMES
from octupus.chat.octupus import OCTUPUS
from octupus.chat.parse import fold
from octupus.chat.registry import ModelChat, model_chat
from octupus.chat.render import render
from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.errors import VocabularyError
from tests.chat.conftest import write_qwen
from tests.chat_strategies import ids_of

WEATHER = Tool(function=FunctionDefinition(name="get_weather", description="Weather of a city."))
CALLS = tuple(
    ToolCall(id=f"call_{number}", function=FunctionCall(name="get_weather", arguments=json.dumps({"city": city})))
    for number, city in enumerate(["Paris", "Rome"])
)
CONVERSATION = Conversation(
    messages=(
        Message(role="user", content="Paris and Rome?"),
        Message(role="assistant", content="I look.", tool_calls=CALLS),
        Message(role="tool", content="clear", tool_call_id="call_0"),
        Message(role="tool", content="rain", tool_call_id="call_1"),
        Message(role="assistant", content="Clear and rain."),
    ),
    tools=(WEATHER,),
)
TOOLS = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city.", \
"parameters": {"type": "object", "properties": {}}}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
"""
DIALOGUE = """\
<|im_start|>user
Paris and Rome?<|im_end|>
<|im_start|>assistant
I look.
<tool_call>
{"name": "get_weather", "arguments": {"city": "Paris"}}
</tool_call>
<tool_call>
{"name": "get_weather", "arguments": {"city": "Rome"}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
clear
</tool_response>
<tool_response>
rain
</tool_response><|im_end|>
<|im_start|>assistant
Clear and rain.<|im_end|>
"""
DEFAULT = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def test_a_whole_conversation_as_qwen_writes_it(qwen25: ModelChat, qwen3: ModelChat) -> None:
    assert qwen25.tokenizer.decode(render(CONVERSATION, HERMES, qwen25.tokenizer).ids) == (
        f"{DEFAULT}\n\n{TOOLS}{DIALOGUE}"
    )
    rendered = render(CONVERSATION, HERMES, qwen3.tokenizer)
    assert qwen3.tokenizer.decode(rendered.ids) == f"<|im_start|>system\n{TOOLS}{DIALOGUE}"
    trained = [token for token, is_trained in zip(rendered.ids, rendered.trained, strict=True) if is_trained]
    assert qwen3.tokenizer.decode(trained) == (
        'I look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call><|im_end|>'
        "Clear and rain.<|im_end|>"
    )


def test_the_system_turn(qwen25: ModelChat, qwen3: ModelChat) -> None:
    def system(chat: ModelChat, messages: list[Message], tools: tuple[Tool, ...] = ()) -> str:
        conversation = Conversation(messages=(*messages, Message(role="user", content="hi")), tools=tools)
        return chat.tokenizer.decode(render(conversation, HERMES, chat.tokenizer).ids).partition("<|im_start|>user")[0]

    brief = Message(role="system", content="Be brief.")
    assert system(qwen25, []) == f"{DEFAULT}<|im_end|>\n"
    assert system(qwen3, []) == ""
    for chat in (qwen25, qwen3):
        assert system(chat, [brief]) == "<|im_start|>system\nBe brief.<|im_end|>\n"
        assert system(chat, [brief], (WEATHER,)) == f"<|im_start|>system\nBe brief.\n\n{TOOLS}"


def test_golden_ids(qwen25: ModelChat, qwen3: ModelChat) -> None:
    conversation = CONVERSATION.model_copy(update={"messages": CONVERSATION.messages[1:4], "tools": ()})
    call = '\n{"name": "get_weather", "arguments": {"city": "%s"}}\n'
    calls = [
        *("<|im_start|>", "assistant\n", "I look.\n"),
        *("<tool_call>", call % "Paris", "</tool_call>", "\n", "<tool_call>", call % "Rome", "</tool_call>"),
        *("<|im_end|>", "\n", "<|im_start|>"),
    ]
    results = ["user\n", *("<tool_response>", "\nclear\n", "</tool_response>")]
    results += ["\n", "<tool_response>", "\nrain\n", "</tool_response>", "<|im_end|>", "\n"]
    assert render(conversation, HERMES, qwen3.tokenizer).ids == ids_of(qwen3.tokenizer, *calls, *results)
    # Where the model has no token for it, the response is one piece of text with its tags.
    results = ["".join(results[:-2]), "<|im_end|>", "\n"]
    system = ["<|im_start|>", DEFAULT.removeprefix("<|im_start|>"), "<|im_end|>", "\n"]
    assert render(conversation, HERMES, qwen25.tokenizer).ids == ids_of(qwen25.tokenizer, *system, *calls, *results)


def test_names_are_escaped_as_json(qwen3: ModelChat) -> None:
    call = ToolCall(id="call_0", function=FunctionCall(name='a"b', arguments="{}"))
    conversation = Conversation(messages=(Message(role="assistant", tool_calls=(call,)),))
    written = qwen3.tokenizer.decode(render(conversation, HERMES, qwen3.tokenizer).ids)
    assert r'{"name": "a\"b", "arguments": {}}' in written


def parsed(chat: ModelChat, *pieces: str) -> tuple[list[Delta], str | None]:
    """Deltas of a turn that arrives one id at a time, neighbours of a kind joined, and what was malformed."""
    parser = HERMES.parser(chat.tokenizer)
    deltas = [delta for token in ids_of(chat.tokenizer, *pieces) for delta in parser.push([token])] + parser.finish()
    joined: list[Delta] = []
    for delta in deltas:
        last = joined[-1] if joined else None
        if isinstance(delta, CallDelta) and isinstance(last, CallDelta) and delta.name is None:
            joined[-1] = CallDelta(last.index, last.name, last.arguments + delta.arguments)
        elif not isinstance(delta, CallDelta) and type(delta) is type(last):
            joined[-1] = type(delta)(last.text + delta.text)  # type: ignore[union-attr]
        else:
            joined.append(delta)
    return joined, parser.malformed


GET = ["<tool_call>", '\n{"name": "get", "arguments": {"a": 1}}\n', "</tool_call>"]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["hi\n\n", *GET, "<|im_end|>"], [ContentDelta("hi\n"), CallDelta(0, "get", '{"a": 1}')]),
        (["hi\n", "<|im_end|>"], [ContentDelta("hi\n")]),
        (["<|im_end|>"], []),
        (
            ["<think>", "\nhm\n", "</think>", "\n\nhi", "<|im_end|>"],
            [ReasoningDelta("hm"), ContentDelta("hi")],
        ),
        (["<think>", "\n\n", "</think>", "\n\n", *GET, "<|im_end|>"], [CallDelta(0, "get", '{"a": 1}')]),
        (["<think>", "a\n\nb", "</think>", "c", "<|im_end|>"], [ReasoningDelta("a\n\nb"), ContentDelta("c")]),
        # Other ways to write the same object.
        (["<tool_call>", '{"arguments":[{"}": "\\""}] ,"name":"g\\u0065t"}', "</tool_call>", "<|im_end|>"],
         [CallDelta(0, "get", '[{"}": "\\""}]')]),
        (["<tool_call>", '{"name": "get", "arguments": null}', "</tool_call>", "<|im_end|>"],
         [CallDelta(0, "get", "null")]),
    ],
)  # fmt: skip
def test_well_formed_turns(qwen3: ModelChat, pieces: list[str], expected: list[Delta]) -> None:
    assert parsed(qwen3, *pieces) == (expected, None)


def body(text: str) -> list[str]:
    return ["<tool_call>", text, "</tool_call>", "<|im_end|>"]


@pytest.mark.parametrize(
    ("pieces", "explanation", "expected"),
    [
        ([], "empty", []),
        (["hi", *GET, "<|im_end|>"], "no line break between content", None),
        ([*GET, *GET, "<|im_end|>"], "no line break between calls", None),
        ([*GET, "\nbye", "<|im_end|>"], "text behind", [CallDelta(0, "get", '{"a": 1}'), ContentDelta("\nbye")]),
        ([*GET, "\n", "<|im_end|>"], "text behind", None),
        (["hi", "<|im_start|>", "<|im_end|>"], "inside content", [ContentDelta("hi<|im_start|>")]),
        (["hi", "</tool_call>", "<|im_end|>"], "inside content", [ContentDelta("hi</tool_call>")]),
        (["hi", "</think>", "<|im_end|>"], "inside content", [ContentDelta("hi</think>")]),
        (["hi\n", "<think>", "hm", "</think>", "<|im_end|>"], "thinking inside content", None),
        (["<think>", "hm\n", "<|im_end|>"], "thinking open", [ReasoningDelta("hm\n")]),
        (["<think>", "hm\n", *GET, "<|im_end|>"], "a call inside thinking", None),
        (["hi", "<|im_end|>", "x"], "after the end", [ContentDelta("hi")]),
        (GET[:2], "call open", [CallDelta(0, "get", '{"a": 1}')]),
        ([*GET[:2], *GET], "a call inside call", [CallDelta(0, "get", '{"a": 1}'), CallDelta(1, "get", '{"a": 1}')]),
        (body("get()"), "no JSON object", [ContentDelta("<tool_call>get()</tool_call>")]),
        (body('{"name": 1, "arguments": {}}'), "proper text", None),
        (body('{"name": "\\ud800", "arguments": {}}'), "proper text", None),
        (body('{"name": "get"}'), "no arguments", [CallDelta(0, "get", "")]),
        (body('{"arguments": {}}'), "no name", [ContentDelta('<tool_call>{"arguments": {}}</tool_call>')]),
        (body('{"name": "get", "arguments": {}, "id": 1}'), "unknown key 'id'", [CallDelta(0, "get", "{}")]),
        (body('{"name": "get", "arguments": 1, "arguments": 2}'), "'arguments' twice", [CallDelta(0, "get", "1")]),
        (body('{"name": "get", "arguments": {}} x'), "behind its JSON object", [CallDelta(0, "get", "{}")]),
        (body('{"name": "get", "arguments": {"a": [}}'), "ends before", [CallDelta(0, "get", '{"a": [}}')]),
        (body('{"name": "get", "arguments": }'), "no value", None),
        (body('{"name" "get"}'), "no colon", None),
        (body('{"name": "get" "arguments": {}}'), "no comma", None),
        (body('{name: "get"}'), "where a key belongs", None),
    ],
)  # fmt: skip
def test_what_breaks_the_dialect_is_named(
    qwen3: ModelChat, pieces: list[str], explanation: str, expected: list[Delta] | None
) -> None:
    deltas, malformed = parsed(qwen3, *pieces)
    assert malformed is not None
    assert explanation in malformed
    assert expected is None or deltas == expected


def test_arguments_stream_as_they_come(qwen3: ModelChat) -> None:
    parser = HERMES.parser(qwen3.tokenizer)
    assert not parser.push(ids_of(qwen3.tokenizer, "<tool_call>", '\n{"name": "get'))
    first, *more = parser.push(ids_of(qwen3.tokenizer, '", "arguments": {"a'))
    assert isinstance(first, CallDelta)
    assert first.name == "get"
    assert fold([first, *more]).tool_calls[0].function.arguments == '{"a'


def test_thinking_is_text_to_a_model_without_tokens_for_it(qwen25: ModelChat) -> None:
    assert HERMES.layout(qwen25.tokenizer).think is None
    assert parsed(qwen25, "<think>", "\nhm", "<|im_end|>") == ([ContentDelta("<think>\nhm")], None)


def test_the_dialect_of_a_directory_is_found_or_named(tmp_path: Path, tokenizer_directory: Path) -> None:
    directory = write_qwen(tmp_path / "model", thinks=True)
    assert model_chat(directory).dialect is HERMES
    assert model_chat(tokenizer_directory).dialect is OCTUPUS
    (directory / "octupus.json").write_text('{"dialect": "hermes"}')
    assert model_chat(directory).dialect is HERMES
    (directory / "octupus.json").write_text('{"dialect": "octupus"}')
    with pytest.raises(VocabularyError, match="lacks the control tokens"):
        model_chat(directory)

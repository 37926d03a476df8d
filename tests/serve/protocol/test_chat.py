"""Requests as clients send them: what is accepted, what is refused, and what the refusal says."""

import json
from typing import Any

import pytest

from octupus.errors import RequestError
from octupus.serve.protocol.chat import conversation_of, parse_chat_request, turn_request_of
from octupus.serve.protocol.turn_request import ToolChoice

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields).encode()


def test_messages_come_back_as_clients_send_them() -> None:
    request = parse_chat_request(
        body(
            messages=[
                {"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]},
                {"role": "user", "content": "weather?", "name": "ignored"},
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning_content": None,
                    "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}},
                        {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "北京"}}},
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "second"},
                {"role": "tool", "tool_call_id": "a", "content": "first"},
            ],
            tools=[WEATHER],
            some_new_field=1,
        )
    )
    conversation = conversation_of(request, max_tools=8)
    assert [message.role for message in conversation.messages] == ["system", "user", "assistant", "tool", "tool"]
    assert conversation.messages[0].content == "be brief"
    assert [call.id for call in conversation.messages[2].tool_calls] == ["a", "call_1"]
    assert conversation.messages[2].tool_calls[1].function.arguments == '{"city": "北京"}'
    assert [message.content for message in conversation.messages[3:]] == ["first", "second"]


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"metadata": {"a": "b" * 513}}, "metadata"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"seed": 2**70}, "seed"),
    ],
)
def test_a_refusal_names_the_field(fields: dict[str, Any], parameter: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_chat_request(body(**fields))
    assert refused.value.status == 400
    assert refused.value.parameter is not None
    assert refused.value.parameter.startswith(parameter)


@pytest.mark.parametrize("wrong", [b"{bad", b"[]", b"null", b"\xff", b'"text"'])
def test_what_is_no_json_object_is_refused(wrong: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        parse_chat_request(wrong)
    assert refused.value.code == "invalid_json"


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([WEATHER, WEATHER], "defined twice"),
        ([{"type": "function", "function": {"name": "<|USER|>"}}], "must match"),
        ([{"type": "function", "function": {"name": ""}}], "must match"),
        ([{"type": "function", "function": {"name": f"tool_{n}"}} for n in range(9)], "limit is 8"),
    ],
)
def test_tools_that_cannot_be_offered_are_refused(tools: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        conversation_of(parse_chat_request(body(tools=tools)), max_tools=8)


GET = {"type": "function", "function": {"name": "get"}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ToolChoice("none", ())),
        ({"tools": [WEATHER, GET]}, ToolChoice("auto", ("get_weather", "get"))),
        ({"tools": [WEATHER], "tool_choice": "none"}, ToolChoice("none", ())),
        ({"tools": [WEATHER], "tool_choice": "required"}, ToolChoice("required", ("get_weather",))),
        (
            {"tools": [GET, WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
            ToolChoice("required", ("get_weather",)),
        ),
        ({"tools": [WEATHER, GET], "tool_choice": allowed("auto", "get")}, ToolChoice("auto", ("get",))),
        (
            {"tools": [WEATHER, GET], "tool_choice": allowed("required", "get", "get_weather")},
            ToolChoice("required", ("get_weather", "get")),
        ),
    ],
)
def test_tool_choice(fields: dict[str, Any], expected: ToolChoice) -> None:
    assert turn_request_of(parse_chat_request(body(**fields)), 8).tool_choice == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, ({"type": "object"}, None, ())),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "null"}}}},
            ({"type": "null"}, None, ()),
        ),
        ({"structured_outputs": {"json": '{"type": "null"}'}}, ({"type": "null"}, None, ())),
        ({"structured_outputs": {"regex": "a+"}}, (None, "a+", ())),
        ({"structured_outputs": {"choice": ["a", "b"]}}, (None, None, ("a", "b"))),
    ],
)
def test_what_content_must_be(fields: dict[str, Any], expected: Any) -> None:
    rule = turn_request_of(parse_chat_request(body(**fields)), 8).content
    assert (rule and (rule.schema, rule.regex, rule.choices)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_schema"}},
        {"structured_outputs": {}},
        {"structured_outputs": {"regex": "a", "choice": ["b"]}},
        {"structured_outputs": {"json": "{"}},
        {"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}},
    ],
)
def test_contradictory_rules_for_content_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        turn_request_of(parse_chat_request(body(**fields)), 8)


def test_a_body_deeper_than_any_schema_may_be_is_refused() -> None:
    with pytest.raises(RequestError, match="deeper"):
        parse_chat_request(b'{"model": ' + b"[" * 5000 + b"]" * 5000 + b"}")


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "required"},
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "other"}}},
    ],
)
def test_a_choice_that_no_tool_answers_is_refused(fields: dict[str, Any]) -> None:
    request = parse_chat_request(body(**fields))
    with pytest.raises(RequestError) as refused:
        turn_request_of(request, 8)
    assert refused.value.parameter == "tool_choice"


def test_how_tokens_are_drawn() -> None:
    given = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "seed": -3, "repetition_penalty": 1.1}
    more = {"stop": "x", "n": 3, "logprobs": True, "top_logprobs": 4, "logit_bias": {"7": -100}, "max_tokens": 9}
    asked = turn_request_of(parse_chat_request(body(**given, **more, max_completion_tokens=5)), 8)
    assert {name: getattr(asked.draw, name) for name in given} == given
    assert asked.draw.logit_bias == {7: -100.0}
    assert (asked.stop, asked.choices, asked.logprobs, asked.max_tokens) == (("x",), 3, 4, 5)
    assert asked.fields.max_tokens == "max_completion_tokens"
    plain = turn_request_of(parse_chat_request(body(stop=["a", "b"], logprobs=True)), 8)
    assert (plain.stop, plain.logprobs, plain.choices, plain.max_tokens) == (("a", "b"), 0, 1, None)


@pytest.mark.parametrize(("effort", "thinks"), [(None, True), ("none", False), ("minimal", False), ("high", True)])
def test_reasoning_effort(effort: str | None, thinks: bool) -> None:
    assert turn_request_of(parse_chat_request(body(reasoning_effort=effort)), 8).thinking is thinks


def test_half_a_character_is_refused() -> None:
    with pytest.raises(RequestError, match="ud800"):
        parse_chat_request(b'{"model": "m", "messages": [{"role": "user", "content": "a\\ud800b"}]}')
    pair = b'{"model": "m", "messages": [{"role": "user", "content": "\\ud83d\\ude00"}]}'
    assert parse_chat_request(pair).messages[0].content == "\N{GRINNING FACE}"

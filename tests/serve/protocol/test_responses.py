"""Responses requests as clients send them: what they come to, what is refused, and what the refusal says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.errors import RequestError
from octupus.serve.protocol.chat import parse_chat_request
from octupus.serve.protocol.chat import turn_request_of as chat_turn_of
from octupus.serve.protocol.responses import parse_responses_request, turn_request_of
from octupus.serve.protocol.turn_request import ContentRule, Draw, FieldNames, ToolChoice, TurnRequest

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
GET = {"type": "function", "name": "get"}
IMAGE = {"type": "input_image", "image_url": "data:"}


def turn_of(**fields: Any) -> TurnRequest:
    return turn_request_of(parse_responses_request(json.dumps({"model": "m", "input": "hi"} | fields).encode()), 8)


def test_a_text_is_a_message_of_the_user() -> None:
    turn = turn_of()
    assert [(message.role, message.content) for message in turn.conversation.messages] == [("user", "hi")]
    assert (turn.max_tokens, turn.draw, turn.logprobs, turn.thinking) == (None, Draw(), None, True)
    assert turn.fields == FieldNames("input", "max_output_tokens", "tools.{position}.parameters")


def test_items_come_back_as_clients_send_them() -> None:
    turn = turn_of(
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "Be kind."},
            {
                "type": None,
                "role": "user",
                "content": [{"type": "input_text", "text": "wea"}, {"type": "text", "text": "ther"}],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": None},
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "phase": None,
                "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}],
            },
            {"type": "reasoning", "id": "rs_2", "summary": []},
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "get_weather", "arguments": '{"city":"x"}'},
            {"type": "function_call", "id": "b", "name": "get_weather", "arguments": {"city": "北京"}, "status": None},
            {"type": "function_call", "name": "get"},
            {"type": "function_call_output", "call_id": "call_2", "output": None},
            {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "second"}]},
            {"type": "function_call_output", "id": None, "call_id": "a", "output": "first", "status": None},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "system", "content": "Be quick."},
            {"role": "user", "content": None},
        ],
        tools=[WEATHER, GET],
    )
    messages = turn.conversation.messages
    assert [(message.role, message.content) for message in messages] == [
        ("system", "Be brief.\n\nBe kind."),
        ("user", "weather"),
        ("assistant", "I look."),
        ("tool", "first"),
        ("tool", "second"),
        ("tool", ""),
        ("assistant", "No."),
        ("system", "Be quick."),
        ("user", ""),
    ]
    assert [(call.id, call.function.arguments) for call in messages[2].tool_calls] == [
        ("a", '{"city":"x"}'),
        ("b", '{"city": "北京"}'),
        ("call_2", "{}"),
    ]


@given(
    turns=st.lists(
        st.tuples(
            st.sampled_from(["text", "call", "result"]),
            st.text(st.characters(codec="utf-8"), max_size=3),
        ),
        max_size=12,
    ),
    instructions=st.none() | st.just("Be brief."),
)
def test_the_same_history_is_the_same_conversation_on_both_routes(
    turns: list[tuple[str, str]], instructions: str | None
) -> None:
    """As items and as messages of chat, one user's message and then turns of every shape."""
    items: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
    if instructions:
        messages.insert(0, {"role": "system", "content": instructions})
    calls = 0
    for kind, text in turns:
        if kind == "text":
            items.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
            messages.append({"role": "assistant", "content": text})
        elif kind == "call":
            items.append({"type": "function_call", "call_id": f"c{calls}", "name": "get", "arguments": text})
            if messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": None})
            call = {"id": f"c{calls}", "type": "function", "function": {"name": "get", "arguments": text}}
            messages[-1].setdefault("tool_calls", []).append(call)
            calls += 1
        elif calls:
            items.append({"type": "function_call_output", "call_id": f"c{calls - 1}", "output": text})
            messages.append({"role": "tool", "tool_call_id": f"c{calls - 1}", "content": text})
    tools = [{"type": "function", "function": GET}]
    chat = parse_chat_request(json.dumps({"model": "m", "messages": messages, "tools": tools}).encode())
    turn = turn_of(input=items, instructions=instructions, tools=[GET])
    assert turn.conversation == chat_turn_of(chat, 8).conversation


def test_both_forms_of_tools_are_read() -> None:
    definition = {"name": "get", "description": "Gets.", "parameters": {"type": "object", "properties": {"a": {}}}}
    flat = turn_of(tools=[{"type": "function", **definition, "strict": True}])
    assert flat.conversation.tools == turn_of(tools=[{"type": "function", "function": definition}]).conversation.tools
    assert flat.conversation.tools[0].function.model_dump() == definition


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice("auto", ("get_weather", "get"))),
        ("none", ToolChoice("none", ())),
        ("required", ToolChoice("required", ("get_weather", "get"))),
        (GET, ToolChoice("required", ("get",))),
        ({"type": "function", "function": {"name": "get"}}, ToolChoice("required", ("get",))),
        ({"type": "allowed_tools", "mode": "auto", "tools": [GET]}, ToolChoice("auto", ("get",))),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [GET, {"type": "function", "name": "get_weather"}]},
            ToolChoice("required", ("get_weather", "get")),
        ),
    ],
)
def test_tool_choice(choice: Any, expected: ToolChoice) -> None:
    assert turn_of(tools=[WEATHER, GET], tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, None),
        ({"text": {"format": {"type": "json_object"}}}, ContentRule("text.format", schema={"type": "object"})),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "null"}, "strict": True}}},
            ContentRule("text.format.schema", schema={"type": "null"}),
        ),
        (
            {"text": {"format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "null"}}}}},
            ContentRule("text.format.schema", schema={"type": "null"}),
        ),
        ({"structured_outputs": {"regex": "a+"}}, ContentRule("structured_outputs.regex", regex="a+")),
    ],
)
def test_what_content_must_be(fields: dict[str, Any], expected: ContentRule | None) -> None:
    assert turn_of(**fields).content == expected


def test_the_other_fields() -> None:
    turn = turn_of(
        parallel_tool_calls=False,
        max_tool_calls=3,
        max_output_tokens=5,
        temperature=0,
        top_p=0.5,
        top_k=4,
        min_p=0.1,
        seed=7,
        presence_penalty=1,
        frequency_penalty=-1,
        stop=["\n"],
        top_logprobs=4,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        reasoning={"effort": "minimal", "summary": "auto"},
        constrained=False,
        on_unenforceable="check",
        explain=True,
        store=True,
        background=False,
        truncation="auto",
        previous_response_id=None,
        service_tier="auto",
        prompt_cache_key="k",
        safety_identifier="s",
        stream_options={"include_obfuscation": False},
        some_new_field=1,
    )
    assert turn.draw == Draw(
        temperature=0, top_p=0.5, top_k=4, min_p=0.1, seed=7, presence_penalty=1, frequency_penalty=-1
    )
    assert (turn.max_tokens, turn.max_tool_calls, turn.parallel) == (5, 3, False)
    assert (turn.stop, turn.logprobs, turn.thinking) == (("\n",), 4, False)
    assert (turn.constrained, turn.on_unenforceable, turn.explain) == (False, "check", True)


@pytest.mark.parametrize(
    ("fields", "parameter", "advice"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "send the whole input"),
        ({"conversation": {"id": "conv_1"}}, "conversation", "send the whole input"),
        ({"background": True}, "background", "leave it out"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "instructions"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "messages", "use input"),
        ({"max_tokens": 5}, "max_tokens", "use max_output_tokens"),
        ({"response_format": {"type": "json_object"}}, "response_format", "use text.format"),
        ({"input": []}, "input", "at least 1 item"),
        ({"input": 3}, "input", "list"),
        ({"input": ["hi"]}, "input.0", "JSON object"),
        ({"input": [{"type": "reasoning"}]}, "input", "no message"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0", "send the item itself"),
        ({"input": [{"id": "msg_1"}]}, "input.0", "send the item itself"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input.0", "web_search_call"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role", "assistant"),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, "input.0.content.0", "text only"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": 3}]}]},
            "input.0.content.0.text",
            "string",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "a", "output": "x"}]},
            "input.0.call_id",
            "send the whole input",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools.0", "give tools of type 'function'"),
        ({"tools": [{"type": "custom", "name": "sql"}]}, "tools.0", "give tools of type 'function'"),
        ({"tools": [GET, {"type": "function"}]}, "tools.1.name", "required"),
        ({"tools": [GET, {"type": "function", "name": "a b"}]}, "tools.1.name", "must match"),
        ({"tools": [GET, GET]}, "tools.1.name", "defined twice"),
        ({"tools": [{"type": "function", "name": f"tool_{n}"} for n in range(9)]}, "tools", "limit is 8"),
        ({"tool_choice": "required"}, "tool_choice", "no tools"),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice", "allowed_tools"),
        ({"tools": [GET], "tool_choice": WEATHER}, "tool_choice", "not among tools"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "json_schema"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema", "missing"),
        (
            {"text": {"format": {"type": "json_object"}}, "structured_outputs": {"regex": "a"}},
            "structured_outputs",
            "not both",
        ),
        ({"top_logprobs": 21}, "top_logprobs", "20"),
        ({"reasoning": {"effort": "lots"}}, "reasoning.effort", "minimal"),
        ({"metadata": {"a": 3}}, "metadata.a", "string"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "16 pairs"),
        ({"truncation": "always"}, "truncation", "disabled"),
        ({"stream": "yes"}, "stream", "boolean"),
    ],
)
def test_a_refusal_names_the_field_and_says_what_to_do(fields: dict[str, Any], parameter: str, advice: str) -> None:
    with pytest.raises(RequestError, match=advice) as refused:
        turn_of(**fields)
    assert refused.value.status == 400
    assert refused.value.parameter == parameter


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=3) | st.just("function"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "name", "call_id", "output", "function", "mode", "tools", "text"]
            ),
            inner | st.sampled_from(["message", "function_call", "function_call_output", "allowed_tools", "user"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(data=st.data())
def test_whatever_is_sent_is_read_or_refused_by_its_field(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(["input", "tools", "tool_choice", "text", "include", "reasoning", "metadata"]))
    value = data.draw(anything | st.lists(anything, max_size=3))
    named = field
    try:
        turn_of(**{field: value})
    except RequestError as refused:
        named = (refused.parameter or "").split(".")[0]
    assert named == field

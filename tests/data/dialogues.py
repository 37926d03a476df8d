"""Conversations in few words, and conversations with every kind of mistake for hypothesis."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Rome", "Oslo"]},
        "area": {"type": "object", "properties": {"side": {"type": "number"}}, "required": ["side"]},
    },
    "required": ["city"],
}


def tool(name: str = "f", schema: dict[str, Any] | None = None, description: str = "") -> Tool:
    parameters = SCHEMA if schema is None else schema
    return Tool(function=FunctionDefinition(name=name, description=description, parameters=parameters))


def system(content: str = "s") -> Message:
    return Message(role="system", content=content)


def user(content: str = "?") -> Message:
    return Message(role="user", content=content)


def said(content: str | None = "ok") -> Message:
    return Message(role="assistant", content=content)


def called(*ids: str, arguments: str = '{"city": "Rome"}', name: str = "f") -> Message:
    function = FunctionCall(name=name, arguments=arguments)
    return Message(role="assistant", tool_calls=tuple(ToolCall(id=each, function=function) for each in ids))


def result(identity: str | None, content: str = "1") -> Message:
    return Message(role="tool", content=content, tool_call_id=identity)


def conversation(*messages: Message, tools: tuple[Tool, ...] = (tool(),), **others: Any) -> Conversation:
    return Conversation(messages=messages, tools=tools, **others)


NAMES = ["f", "g", "a b", "a_b", "a.b", "查询", "", "!", "x" * 70]
_VALUES: list[Any] = ["Rome", "rome", "3", 3, 3.0, True, "true", None, {"side": "2"}, {"side": 2}, [], 10**400]
_SCHEMAS: list[dict[str, Any]] = [
    {"type": "dict", "properties": {"city": {"type": "str"}, "area": {"type": "int"}}, "required": ["area"]},
    {"type": "object", "properties": {"city": {"type": "string", "enum": [None]}}},
    {"type": "object", "properties": {"area": {"type": "array", "items": {"type": "integer"}}}},
    {"type": "object", "properties": {"city": {"type": "boolean", "required": True}}, "additionalProperties": True},
    {"type": "object", "properties": {"city": {"$ref": "#/properties/city"}}},
    {},
]
_BAD_SCHEMAS: list[dict[str, Any]] = [{"type": "object", "properties": {"city": {"pattern": "("}}}, {"type": "string"}]


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any], share: int = 20) -> st.SearchStrategy[Any]:
    """One in `share` is rare, so that few conversations have many faults at once."""
    return st.integers(1, share).flatmap(lambda number: rare if number == share else usual)


_texts = mostly(st.sampled_from(["Rome?", "ok", "天气"]), st.sampled_from(["", " \n", "\ud800"]))
_good_arguments = st.sampled_from(['{"city": "Rome"}', '{"city": "oslo", "area": {"side": "2"}}', '{"area": "3"}'])
_odd_arguments = st.dictionaries(st.sampled_from(["city", "area", "b"]), st.sampled_from(_VALUES), max_size=3)
_broken_arguments = st.sampled_from(["{", "[]", "", '{"city": "Rome", "city": "Rome"}', '{"city": NaN}'])
_arguments = mostly(_good_arguments | _odd_arguments.map(json.dumps), _broken_arguments)
_schemas = mostly(st.just(SCHEMA) | st.sampled_from(_SCHEMAS), st.sampled_from(_BAD_SCHEMAS))


@st.composite
def faulty_conversations(draw: st.DrawFn) -> Conversation:
    """Conversations that a corpus may hold: mostly in order, with names, schemas, calls and pairings of every kind."""
    repeated = draw(st.integers(1, 4)) == 1
    offered = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=not repeated))
    one_schema = draw(_schemas)
    tools = tuple(tool(name, one_schema if repeated else draw(_schemas)) for name in offered)
    call_names = mostly(st.sampled_from(offered), st.sampled_from([*NAMES, "a \ud800"]))
    messages = [system()] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages.append(user(draw(_texts)))
        for _ in range(draw(st.integers(0, 2))):
            made = tuple(
                ToolCall(id=f"call_{number}", function=FunctionCall(name=draw(call_names), arguments=draw(_arguments)))
                for number in range(draw(st.integers(1, 2)))
            )
            messages.append(Message(role="assistant", content=draw(st.none() | _texts), tool_calls=made))
            messages += [result(each.id, draw(mostly(st.just("1"), st.just("")))) for each in made]
        messages.append(said(draw(_texts)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(messages) - 1))
        if draw(st.booleans()):
            messages.insert(place, messages[draw(st.integers(0, len(messages) - 1))])
        elif len(messages) > 1:
            del messages[place]
    loss = draw(st.just([]) | st.lists(st.booleans(), min_size=len(messages), max_size=len(messages)))
    return Conversation(messages=tuple(messages), tools=tools, loss=tuple(loss))

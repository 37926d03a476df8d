"""Conversations whose calls fit their tools' schemas, for hypothesis, and the real ones beside the checkout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall, json_text
from octupus.data.checks import check_schemas, check_structure
from octupus.data.language import language
from octupus.data.sources import sharegpt
from octupus.schema.repair import normalise_parameters

NAMES = ["get_weather", "search", "bookFlight", "send-mail", "play_music", "sum2", "查", "convert"]
TOOL_NAMES = [name for name in NAMES if name.isascii()]
DESCRIPTIONS = [
    "",
    "Weather of a city",
    "Send an e-mail",
    "查询天气",
    "The name of the city",
    "Play a song by an artist",
]
TEXTS = ["Rome", "New York", "a_b", '"quoted"', "北京", "x\ny", "{}", "", "7", "search"]
REQUESTS = [
    "Please tell me the weather in {}.",
    "Hi, play something by {} now",
    "帮我查一下在{}的天气好吗？",
    "{}",
    "I live in {}, find me a flight",
]

KINDS: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    ({"type": "string"}, st.sampled_from(TEXTS)),
    ({"type": "integer"}, st.integers(-5, 5)),
    ({"type": "number"}, st.floats(-5, 5)),
    ({"type": "boolean"}, st.booleans()),
    ({"enum": ["a", 1, None]}, st.sampled_from(["a", 1, None])),
    ({"type": "array", "items": {"type": "string"}}, st.lists(st.sampled_from(TEXTS), max_size=2)),
    (
        {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
        st.fixed_dictionaries({"q": st.sampled_from(TEXTS)}),
    ),
]
EXTRAS: list[dict[str, Any]] = [{}, {}, {"additionalProperties": False}, {"additionalProperties": True}, {"$defs": {}}]


@st.composite
def tools_and_arguments(draw: st.DrawFn, name: str) -> tuple[Tool, dict[str, Any]]:
    """A tool, and arguments that fit it."""
    arguments: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for argument in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
        schema, values = draw(st.sampled_from(KINDS))
        properties[argument] = {**schema, "description": draw(st.sampled_from(DESCRIPTIONS))}
        needed = draw(st.booleans())
        if needed:
            required.append(argument)
        if needed or draw(st.booleans()):
            arguments[argument] = draw(values)
    schema = {"type": "object", "properties": properties, "required": required, **draw(st.sampled_from(EXTRAS))}
    description = draw(st.sampled_from(DESCRIPTIONS))
    return Tool(function=FunctionDefinition(name=name, description=description, parameters=schema)), arguments


@st.composite
def calling_rows(draw: st.DrawFn) -> Conversation:
    """Conversations that pass every check, most of them with calls."""
    names = draw(st.lists(st.sampled_from(TOOL_NAMES), unique=True, min_size=1, max_size=4))
    offered = {name: draw(tools_and_arguments(name)) for name in names}
    messages = [Message(role="system", content="Be brief.")] if draw(st.booleans()) else []
    count = 0
    for _ in range(draw(st.integers(1, 2))):
        called = draw(st.lists(st.sampled_from(names), max_size=2))
        values = [value for name in called for value in offered[name][1].values() if isinstance(value, str)]
        request = draw(st.sampled_from(REQUESTS)).format(values[0] if values else "Oslo")
        messages.append(Message(role="user", content=request.strip() or "?"))
        calls = tuple(
            ToolCall(
                id=f"call_{count + number}",
                function=FunctionCall(name=name, arguments=json_text(offered[name][1])),
            )
            for number, name in enumerate(called)
        )
        count += len(calls)
        if calls:
            messages.append(Message(role="assistant", content=draw(st.sampled_from([None, "Wait."])), tool_calls=calls))
            messages += [
                Message(role="tool", content=json.dumps({"name": call.function.name}), tool_call_id=call.id)
                for call in calls
            ]
        messages.append(Message(role="assistant", content="Done."))
    if draw(st.booleans()) and messages[-2].role == "tool":
        while not messages[-1].tool_calls:
            messages.pop()
    loss = draw(st.just(()) | st.lists(st.booleans(), min_size=len(messages), max_size=len(messages)).map(tuple))
    tools = tuple(offered[name][0] for name in names)
    made = Conversation(messages=tuple(messages), tools=tools, loss=loss)
    return made.model_copy(update={"language": language(made)})


def passes(conversation: Conversation) -> bool:
    """Whether the conversation may be trained on."""
    marked = not conversation.loss or len(conversation.loss) == len(conversation.messages)
    return marked and check_structure(conversation) is None and check_schemas(conversation) is None


def glaive_demo(shared: Callable[[str], Path], code: str) -> list[Conversation]:
    """The rows of LLaMA-Factory's glaive demo that pass every check."""
    rows: list[Conversation] = []
    path = shared(f"corpora/llamafactory/glaive_toolcall_{code}_demo.json")
    for value in json.loads(path.read_text("utf-8")):
        row = sharegpt.convert(value)
        tools = tuple(
            Tool(
                function=tool.function.model_copy(update={"parameters": normalise_parameters(tool.function.parameters)})
            )
            for tool in row.tools
        )
        row = row.model_copy(update={"tools": tools, "language": language(row)})
        if passes(row):
            rows.append(row)
    return rows

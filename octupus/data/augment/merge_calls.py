"""Two requests made one, which a single turn answers with parallel calls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from octupus.conversation import Conversation, Message, Tool, ToolCall
from octupus.data.augment.common import alike, augmented, first_call, random_for, written_language
from octupus.schema.validation import parse_json

NAME: Final = "merge_calls"

CONNECTORS = {
    "en": (
        " One more thing: ",
        " I also have a second request. ",
        " And here's another one. ",
        " While you're at it, there's something else I need. ",
        " There's one other thing as well. ",
        " At the same time, please take care of this too. ",
        "\n\nAlso, this: ",
        "\n\nSecond question: ",
        "\nAnd separately: ",
        " Besides that, one more request. ",
        " Oh, and another thing. ",
        " Please handle this as well. ",
    ),
    "zh": (
        "另外，",
        "还有一件事：",
        "顺便再问一下，",
        "同时，",
        "除此之外，",
        "此外还有一个请求：",
        "再麻烦您一件事：",
        "\n\n还有，",
        "\n第二个问题：",
        "对了，",
        "与此同时，还想请您处理一下这个：",
        "下面这个也请一起处理：",
    ),
}
_GREETING = re.compile(
    r"(?:hi|hello|hey)(?: there)?[,!.] *(?=\w)|(?:good (?:morning|afternoon|evening))[,!.] *(?=\w)|"
    r"(?:你好|您好|嗨|嘿|哈喽)[，,！!。 ]*(?=\w)",
    re.IGNORECASE,
)
_ENDS = (".", "!", "?", "。", "！", "？", "…", '."', '?"', "”")


@dataclass(frozen=True, slots=True)
class _Request:
    """What is merged of one conversation."""

    system: str | None
    text: str
    call: ToolCall


def applies(conversation: Conversation) -> bool:
    """Whether one request is answered by one call, in a language that connecting sentences are written in."""
    return _request(conversation) is not None and written_language(conversation) is not None


def merge_calls(first: Conversation, second: Conversation, seed: int) -> Conversation | None:
    """Both requests in one message, both tools, and both calls in one turn, where the dialogue ends.

    None when the languages or system prompts differ, the calls are the same, one name stands for two tools, or a
    call could as well be made with a tool of the other conversation.
    """
    one, other = _request(first), _request(second)
    written = written_language(first)
    if one is None or other is None or written is None or written != written_language(second):
        return None
    if one.system != other.system or one.text == other.text or _same_call(one.call, other.call):
        return None
    tools = _united(first, second, one.call, other.call)
    if tools is None:
        return None
    ids = [first.id, second.id]
    random = random_for(seed, NAME, *ids)
    connector = random.choice(CONNECTORS[written])
    messages = [] if one.system is None else [Message(role="system", content=one.system)]
    messages.append(Message(role="user", content=_joined(one.text, connector, other.text, written)))
    calls = tuple(
        call.model_copy(update={"id": f"call_{number}"}) for number, call in enumerate((one.call, other.call))
    )
    messages.append(Message(role="assistant", tool_calls=calls))
    loss = [message.role == "assistant" for message in messages]
    merged = augmented(first, NAME, ids, messages, tools, loss)
    return merged.model_copy(update={"flags": tuple(dict.fromkeys([*merged.flags, *second.flags]))})


def _request(conversation: Conversation) -> _Request | None:
    position = first_call(conversation)
    if position is None or conversation.kind != "single":
        return None
    calling = conversation.messages[position]
    if (calling.content or "").strip():
        return None  # words in front of the one call would not fit the other
    system = conversation.messages[0].content if position == 2 else None
    return _Request(system, (conversation.messages[position - 1].content or "").strip(), calling.tool_calls[0])


def _same_call(one: ToolCall, other: ToolCall) -> bool:
    if one.function.name != other.function.name:
        return False
    return bool(parse_json(one.function.arguments) == parse_json(other.function.arguments))


def _united(first: Conversation, second: Conversation, one: ToolCall, other: ToolCall) -> list[Tool] | None:
    """The tools of both, those of the first in front; None when they do not go together."""
    tools = {tool.function.name: tool for tool in first.tools}
    for tool in second.tools:
        if tools.setdefault(tool.function.name, tool) != tool:
            return None
    called = {one.function.name, other.function.name}
    for name in called:
        if any(alike(tools[name], tool) for tool in tools.values() if tool.function.name != name):
            # Of tools that are alike in one corpus row the row says which; of two rows nobody does.
            in_one_row = all(name in {tool.function.name for tool in each.tools} for each in (first, second))
            if not in_one_row:
                return None
    return list(tools.values())


def _joined(one: str, connector: str, other: str, written: str) -> str:
    if not one.endswith(_ENDS):
        one += "。" if written == "zh" else "."
    other = _GREETING.sub("", other, count=1) if _GREETING.match(other) else other
    if written == "en":
        other = other[:1].upper() + other[1:]
    return one + connector + other

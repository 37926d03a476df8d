"""Tools and arguments renamed to names without meaning, so that descriptions must be read (after Hammer).

A name is masked only where a description says what it stands for. Argument names inside descriptions stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from octupus.conversation import Conversation, FunctionCall, Message, Tool, ToolCall, json_text
from octupus.data.augment.common import augmented, called_names, random_for
from octupus.schema.validation import parse_arguments

NAME: Final = "name_masking"
_RENAMED_IN = frozenset(["type", "properties", "required", "additionalProperties", "description", "title", "$schema"])
"""Keywords of a schema whose use of argument names is known. One with others keeps its argument names."""
_LETTERS = "bcdfghjklmnpqrstvwxz"
"""No vowels, so that chance writes no words."""
_DIGITS = "0123456789"
_IDENTIFIER = re.compile(r"[A-Za-z0-9-]*(?:_|[a-z][A-Z]|[0-9]|-)[A-Za-z0-9_-]*")


def applies(conversation: Conversation) -> bool:
    """Whether tools are called, and every tool has a description."""
    described = all(tool.function.description.strip() for tool in conversation.tools)
    return described and bool(called_names(conversation.messages))


def name_masking(conversation: Conversation, seed: int) -> Conversation | None:
    """The conversation with masked names in tools, calls and results.

    None when nothing is called, a tool has no description, or a text speaks of a tool by a name that is no word.
    """
    if not applies(conversation):
        return None
    names = {tool.function.name for tool in conversation.tools}
    identifiers = {name for name in names if _IDENTIFIER.fullmatch(name)}
    texts = [message.content or "" for message in conversation.messages if message.role != "tool"]
    if any(name in text for name in identifiers for text in texts):
        return None
    random = random_for(seed, NAME, conversation.id)
    used = set(names)
    tool_names = {tool.function.name: _masked(random, used) for tool in conversation.tools}
    argument_names = {
        tool.function.name: _argument_names(tool.function.parameters, random) for tool in conversation.tools
    }
    return augmented(
        conversation,
        NAME,
        conversation.id,
        messages=[_message(message, tool_names, argument_names) for message in conversation.messages],
        tools=[_tool(tool, tool_names, argument_names) for tool in conversation.tools],
    )


def _argument_names(schema: Mapping[str, Any], random: Random) -> dict[str, str]:
    properties = schema.get("properties", {})
    if set(schema) - _RENAMED_IN or isinstance(schema.get("additionalProperties"), dict):
        return {}
    if schema.get("additionalProperties", False) is not False:
        return {}  # a call may use names of its own, which a masked one might meet
    used = set(properties)
    return {
        name: _masked(random, used)
        for name, inner in properties.items()
        if isinstance(inner, dict) and str(inner.get("description") or "").strip()
    }


def _masked(random: Random, used: set[str]) -> str:
    while True:
        name = "".join(random.choices(_LETTERS, k=random.randint(4, 8)))
        if random.random() < 0.5:
            name += "_" + "".join(random.choices(_LETTERS + _DIGITS, k=random.randint(1, 3)))
        if name not in used:
            used.add(name)
            return name


def _tool(tool: Tool, tool_names: Mapping[str, str], argument_names: Mapping[str, Mapping[str, str]]) -> Tool:
    function = tool.function
    masks = argument_names[function.name]
    schema = dict(function.parameters)
    if "properties" in schema:
        schema["properties"] = {masks.get(name, name): inner for name, inner in schema["properties"].items()}
    if "required" in schema:
        schema["required"] = [masks.get(name, name) for name in schema["required"]]
    renamed = function.model_copy(update={"name": tool_names[function.name], "parameters": schema})
    return tool.model_copy(update={"function": renamed})


def _message(
    message: Message, tool_names: Mapping[str, str], argument_names: Mapping[str, Mapping[str, str]]
) -> Message:
    if message.role == "tool":
        content = message.content or ""
        for name, masked in tool_names.items():
            content = content.replace(f'"{name}"', f'"{masked}"') if _IDENTIFIER.fullmatch(name) else content
        return message.model_copy(update={"content": content})
    calls = tuple(_call(call, tool_names, argument_names) for call in message.tool_calls)
    return message.model_copy(update={"tool_calls": calls})


def _call(call: ToolCall, tool_names: Mapping[str, str], argument_names: Mapping[str, Mapping[str, str]]) -> ToolCall:
    name = call.function.name
    masks = argument_names[name]
    arguments = parse_arguments(call.function.arguments)
    renamed = json_text({masks.get(argument, argument): value for argument, value in arguments.items()})
    return call.model_copy(update={"function": FunctionCall(name=tool_names[name], arguments=renamed)})

"""Executed blueprints as conversations of the record, with the tools that they are offered."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

from octupus.agent.generate.blueprint import Blueprint
from octupus.agent.generate.execute import Executed, MadeCall
from octupus.agent.generate.library import Library
from octupus.agent.generate.wording import Language
from octupus.conversation import Conversation, FunctionCall, Message, Tool, ToolCall
from octupus.data.augment.common import alike

SOURCE = "generated"

SYSTEM_PROMPTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "You are a helpful assistant. Use the tools to do what the user asks.",
        "You help with everyday tasks. Call tools when they are needed, and report what they return truthfully.",
        "Answer with the help of the tools. If something is missing that a tool needs, ask for it.",
        "You are a personal assistant with access to tools. If no tool can do what is asked, say so.",
    ),
    "zh": (
        "你是一个乐于助人的助手，请使用工具完成用户的请求。",
        "你负责处理日常事务。需要时调用工具，并如实告知结果。",
        "请借助工具回答。如果缺少工具所需的信息，请先询问用户。",
        "你是一名可以使用工具的个人助理。如果没有工具能完成请求，请直接说明。",
    ),
}


def offered_tools(
    blueprint: Blueprint, library: Library, distractors: int, tools_most: int, random: Random
) -> tuple[Tool, ...]:
    """The tools of the called modules and of some others, in an order of chance.

    At most `tools_most`, as long as those that are called are fewer. Tools that could do what no tool is to do are
    left out.
    """
    called = {planned.tool for planned in blueprint.calls()}
    closed = [tool for module in blueprint.closed if module in library.modules for tool in library.tools(module)]
    others = [module for module in library.modules if module not in (*blueprint.modules, *blueprint.closed)]
    chosen = [*blueprint.modules, *random.sample(others, min(distractors, len(others)))]
    random.shuffle(chosen)
    tools = [tool for module in chosen for tool in library.tools(module)]
    if blueprint.shape == "missing_tool":
        tools = [
            tool for tool in tools if tool.function.name in called or not any(alike(tool, other) for other in closed)
        ]
    return _fewer(tools, called, tools_most, random)


def _fewer(tools: list[Tool], called: Collection[str], most: int, random: Random) -> tuple[Tool, ...]:
    spare = [tool.function.name for tool in tools if tool.function.name not in called]
    left_out = set(random.sample(spare, min(len(spare), max(0, len(tools) - most))))
    return tuple(tool for tool in tools if tool.function.name not in left_out)


def conversation(executed: Executed, tools: tuple[Tool, ...], system: str = "") -> Conversation:
    """The conversation. Messages with a call that was refused are not trained, nor is anything but the assistant's."""
    messages = [Message(role="system", content=system)] if system else []
    loss = [False] * len(messages)
    count = 0
    for turn in executed.turns:
        messages.append(Message(role="user", content=turn.user))
        loss.append(False)
        for step in turn.steps:
            calls = tuple(_call(made, f"call_{count + position}") for position, made in enumerate(step))
            count += len(calls)
            messages.append(Message(role="assistant", tool_calls=calls))
            loss.append(all(made.result.ok for made in step))
            for call, made in zip(calls, step, strict=True):
                messages.append(Message(role="tool", content=made.result.text, tool_call_id=call.id))
                loss.append(False)
        messages.append(Message(role="assistant", content=turn.reply))
        loss.append(True)
    blueprint = executed.blueprint
    trains_all = all(trained or message.role != "assistant" for trained, message in zip(loss, messages, strict=True))
    return Conversation(
        messages=tuple(messages),
        tools=tools,
        loss=() if trains_all else tuple(loss),
        source=SOURCE,
        language=blueprint.language,
        meta={
            "blueprint": executed.id,
            "shape": blueprint.shape,
            "scenarios": list(blueprint.scenarios),
            "modules": list(blueprint.modules),
            "seed": blueprint.seed,
            "final_state_sha256": executed.state_sha256,
        },
    )


def _call(made: MadeCall, identity: str) -> ToolCall:
    return ToolCall(id=identity, function=FunctionCall(name=made.tool, arguments=made.arguments))

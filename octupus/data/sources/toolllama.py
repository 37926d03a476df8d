"""ToolLLaMA's training steps (`toolllama_G123_dfs_train.json`): ReAct text of a search for an answer, one step a row.

    {"id": "Step k: ...", "conversations": [{"from": "system" | "user" | "assistant" | "function", "value"}]}

The system prompt frames the task and prints the tools as a Python list. An assistant says
`Thought: ...`, `Action: tool` and `Action Input: {...}`, a line each; the thought becomes the content, the action a
call. The frame is left out, and so is "Begin!" behind the query. Only the last assistant turn is the step to be learnt:
those before it, of which some call tools that do not exist, are context.

Where the search came back to a state, a user turn asks for an action that differs from the earlier ones, which it does
not show; such turns are left out. A last step that gives up is dropped, since there is nothing to learn from it, and so
is a row with a call that cannot be read: the last call is the target, and an earlier one has a result that answers it.
"""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation, Role, Tool
from octupus.data.reasons import Reason
from octupus.data.sources.literals import LiteralError, parse_literal
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, parse_arguments

TOOLS_MARKER = "Specifically, you have access to the following APIs:"
DIVERSITY_PROMPT = "This is not the first time you try this task"
FINISH = "Finish"
GIVE_UP = "give_up_and_restart"
ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "function": "tool"}


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns or not isinstance(turns[0], dict):
        return False
    prompt = turns[0].get("value")
    return turns[0].get("from") == "system" and isinstance(prompt, str) and TOOLS_MARKER in prompt


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    values = [
        mapping(value, f"turn {position}")
        for position, value in enumerate(sequence(row.get("conversations"), "conversations"))
    ]
    if not values or values[0].get("from") != "system":
        raise ConversionError(Reason.ROLES_ERROR, "the first turn must be the system's")
    tools = _tools(text(values[0].get("value"), "the system prompt") or "")
    last = max((position for position, value in enumerate(values) if value.get("from") == "assistant"), default=0)
    if last == 0:
        raise ConversionError(Reason.NO_ASSISTANT, "no turn is the assistant's")
    turns: list[Turn] = []
    for position in range(1, last + 1):
        turn = _turn(values[position], f"turn {position}", trained=position == last)
        if turn:
            turns.append(turn)
    for call in turns[-1].calls:
        if call.name == FINISH and call.arguments.get("return_type") == GIVE_UP:
            raise ConversionError(Reason.GAVE_UP, "the step gives up and starts anew")
    return build(turns, tools)


def _tools(prompt: str) -> tuple[Tool, ...]:
    """The tools printed at the end of the system prompt, without the list of `optional` names no JSON Schema knows."""
    before, marker, _ = prompt.partition(TOOLS_MARKER)
    if not marker:
        raise ConversionError(Reason.PARSE_TOOLS, "the system prompt lists no tools")
    try:
        definitions, _ = parse_literal(prompt, len(before) + len(marker))
    except LiteralError as error:
        raise ConversionError(Reason.PARSE_TOOLS, f"the list of tools cannot be read: {error}") from error
    for definition in definitions if isinstance(definitions, list) else []:
        if isinstance(definition, dict) and isinstance(definition.get("parameters"), dict):
            definition["parameters"].pop("optional", None)
    return parse_tools(definitions)


def _turn(value: dict[str, Any], where: str, trained: bool) -> Turn | None:
    role = ROLES.get(str(value.get("from")))
    if role is None:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {value.get('from')!r}")
    said = text(value.get("value"), where) or ""
    if role == "assistant":
        return _step(said, where, trained)
    if role == "tool":
        return Turn("tool", said)
    query = said.strip()
    if query.startswith(DIVERSITY_PROMPT):
        return None
    return Turn("user", query.removesuffix("Begin!").rstrip())


def _step(said: str, where: str, trained: bool) -> Turn:
    """`Thought`, `Action` and `Action Input` as a turn. Valid JSON holds no line break that could be a label's."""
    head, found, written = f"\n{said}".partition("\nAction Input:")
    thought, labelled, name = head.rpartition("\nAction:")
    if not found and not labelled:
        return Turn("assistant", head.strip().removeprefix("Thought:").strip(), trained=trained)
    if not labelled or not found or not name.strip():
        raise ConversionError(Reason.CALL_PARSE_ERROR, f"{where} has no complete Action and Action Input")
    try:
        arguments = parse_arguments(written.strip() or "{}")
    except InvalidJsonError as error:
        detail = f"{where}: {error} in the Action Input {written.strip()[:80]!r}"
        raise ConversionError(Reason.CALL_PARSE_ERROR, detail) from error
    content = thought.strip().removeprefix("Thought:").strip() or None
    return Turn("assistant", content, (Call(name.strip(), arguments),), trained=trained)

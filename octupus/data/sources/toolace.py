"""ToolACE: `{"system": "... functions in JSON format ...", "conversations": [{"from", "value"}]}`.

The tools are a JSON list inside a fixed frame of the system prompt; what else the prompt says stays. An assistant's
value is text or a string of calls. A tool's value is a JSON list of `{"name", "results"}` in the order of the calls.
"""

from __future__ import annotations

import re
from typing import Any

from octupus.conversation import Conversation, Role, Tool, json_text
from octupus.data.reasons import Reason
from octupus.data.sources.call_strings import CallStringError, parse_calls
from octupus.data.sources.literals import LiteralError, parse_whole_literal, skip_whitespace
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Turn, build, mapping, sequence, text
from octupus.errors import ConversionError
from octupus.schema.validation import STRICT_DECODER

FRAME = "Here is a list of functions in JSON format that you can invoke:"
ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "tool": "tool",
}

_INTRODUCTION_WORDS = (
    "You are an expert in composing functions. You are given a question and a set of possible functions. "
    "Based on the question, you will need to make one or more function/tool calls to achieve the purpose. "
    "If none of the function can be used, point it out. If the given question lacks the parameters "
    "required by the function, also point it out."
)
_INTRODUCTION = re.compile(r"\s+".join(map(re.escape, _INTRODUCTION_WORDS.split())))
_NOTATION = re.compile(
    r"Should you decide to return the function call\(s\)\..*?NO other text MUST be included\.", re.DOTALL
)


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    system = row.get("system")
    return isinstance(system, str) and FRAME in system and isinstance(row.get("conversations"), list)


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    system, tools = _system(text(row.get("system"), "system") or "")
    names = [tool.function.name for tool in tools]
    turns = [Turn("system", system)]
    for position, value in enumerate(sequence(row.get("conversations"), "conversations")):
        turns += _turns(mapping(value, f"turn {position}"), f"turn {position}", names, len(turns[-1].calls))
    return build(turns, tools)


def _system(prompt: str) -> tuple[str, tuple[Tool, ...]]:
    """What the prompt says besides the frame, and the tools. A prompt without the frame offers none."""
    before, frame, after = prompt.partition(FRAME)
    if not frame:
        return prompt, ()
    try:
        definitions, end = STRICT_DECODER.raw_decode(after, skip_whitespace(after, 0))
    except (ValueError, RecursionError) as error:
        raise ConversionError(Reason.PARSE_TOOLS, f"tools of the system prompt: {error}") from error
    parts = (_INTRODUCTION.sub("", before), _NOTATION.sub("", after[end:].removeprefix("."), count=1))
    return "\n".join(filter(None, map(str.strip, parts))), parse_tools(definitions)


def _turns(value: dict[str, Any], where: str, names: list[str], unanswered: int) -> list[Turn]:
    name = value.get("from")
    role = ROLES.get(str(name))
    if role is None:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {name!r}")
    said = text(value.get("value"), where)
    if role == "tool":
        return _results(said or "", where, unanswered)
    if role == "assistant" and said:
        try:
            calls = parse_calls(said, names)
        except CallStringError as error:
            return [Turn(role, problem=(Reason.CALL_PARSE_ERROR, f"{where}: {error}"))]
        if calls:
            return [Turn(role, None, calls)]
    return [Turn(role, said)]


def _results(said: str, where: str, unanswered: int) -> list[Turn]:
    """One result for each item of a list of results. What is none is one result, as it stands."""
    try:
        results = parse_whole_literal(said)
    except LiteralError:
        results = said
    items = results if isinstance(results, list) and results and all(map(_is_result, results)) else [results]
    if len(items) != unanswered:
        return [Turn("tool", problem=(Reason.TOOL_RESULT_COUNT, f"{where}: {len(items)} results, {unanswered} calls"))]
    return [
        Turn("tool", _content(item["results"]), tool_name=item["name"])
        if _is_result(item)
        else Turn("tool", _content(item))
        for item in items
    ]


def _is_result(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str) and "results" in item


def _content(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)

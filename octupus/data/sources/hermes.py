"""hermes-function-calling-v1: `{"conversations": [{"from": "system", "value": "... <tools>[..]</tools> .."}, ...]}`.

The tools are JSON text in `tools`, or else a list of Python or JSON inside `<tools>`; the fixed sentences around it
are removed, what else the prompt says stays. An assistant's calls are `<tool_call>` blocks, each one dictionary as
Python or JSON writes it, with text around them; several blocks are parallel calls. A tool's turn holds one
`<tool_response>` block for each result: a dictionary, which may name its tool, or plain text.

JSON mode has no tools: the prompt shows a `<schema>`, stays as it is, and every answer must be JSON.
"""

from __future__ import annotations

import re
from typing import Any

from octupus.conversation import Conversation, Role, Tool, json_text
from octupus.data.reasons import Reason
from octupus.data.sources.literals import LiteralError, parse_literal, parse_whole_literal, skip_whitespace
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, parse_json

CALL, CALL_END = "<tool_call>", "</tool_call>"
RESULT, RESULT_END = "<tool_response>", "</tool_response>"
SCHEMA = "<schema>"
ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "tool": "tool",
}

_TOOLS = re.compile(r"<tools>\s*(?=\[)")  # the introduction names the empty element, too
_INTRODUCTION = re.compile(
    r"You are (?:a function calling|an expert structured information extraction) AI model\."
    r".*?plug into (?:functions|json schema)\.(?:\s*Here are the available tools:)?",
    re.DOTALL,
)
_NOTATION = re.compile(
    r"(?:Use the following pydantic model json schema.*?)?For each (?:extraction )?function call return a json object"
    r".*</tool_call>",
    re.DOTALL,
)


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns or not isinstance(turns[0], dict) or turns[0].get("from") != "system":
        return False
    prompt = turns[0].get("value")
    return isinstance(prompt, str) and ("</tools>" in prompt or SCHEMA in prompt)


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    values = [mapping(value, "a turn") for value in sequence(row.get("conversations"), "conversations")]
    prompt = ""
    if values and values[0].get("from") == "system":
        prompt = text(values.pop(0).get("value"), "the system prompt") or ""
    tools = parse_tools(row.get("tools")) or _tools_in(prompt)
    answers_json = not tools and SCHEMA in prompt
    if not answers_json:
        prompt = _without_frame(prompt)
    names = {tool.function.name for tool in tools}
    turns = [Turn("system", prompt)]
    for position, value in enumerate(values, start=1):
        turns += _turns(value, f"turn {position}", names, answers_json)
    return build(turns, tools)


def _tools_in(prompt: str) -> tuple[Tool, ...]:
    opening = _TOOLS.search(prompt)
    if not opening:
        return ()
    try:
        return parse_tools(parse_literal(prompt, opening.end())[0])
    except LiteralError as error:
        raise ConversionError(Reason.PARSE_TOOLS, f"tools of the system prompt: {error}") from error


def _without_frame(prompt: str) -> str:
    opening = _TOOLS.search(prompt)
    if not opening:
        return prompt
    before, after = prompt[: opening.start()], prompt[opening.end() :].partition("</tools>")[2]
    parts = (_INTRODUCTION.sub("", before), _NOTATION.sub("", after))
    return "\n".join(filter(None, map(str.strip, parts)))


def _turns(value: dict[str, Any], where: str, names: set[str], answers_json: bool) -> list[Turn]:
    name = value.get("from")
    role = ROLES.get(str(name))
    if role is None:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {name!r}")
    said = text(value.get("value"), where) or ""
    if role == "tool":
        return _results(said, where, names)
    if role != "assistant":
        return [Turn(role, said)]
    if answers_json:
        return [_json_answer(said, where)]
    try:
        return [_assistant(said)]
    except LiteralError as error:
        return [Turn(role, problem=(Reason.CALL_PARSE_ERROR, f"{where}: {error}"))]


def _json_answer(said: str, where: str) -> Turn:
    try:
        parse_json(said)
    except InvalidJsonError as error:
        return Turn("assistant", problem=(Reason.WRONG_SHAPE, f"{where}: the answer must be JSON: {error}"))
    return Turn("assistant", said.strip())


def _assistant(said: str) -> Turn:
    """The text and the calls of a turn. Raises LiteralError."""
    texts: list[str] = []
    calls: list[Call] = []
    position = 0
    while True:
        start = said.find(CALL, position)
        if start < 0:
            break
        texts.append(said[position:start])
        body, end = parse_literal(said, start + len(CALL))
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise LiteralError("a call that has no name", start)
        calls.append(Call(body["name"], body.get("arguments")))
        end = skip_whitespace(said, end)
        if not said.startswith(CALL_END, end):
            raise LiteralError(f"expected {CALL_END}", end)
        position = end + len(CALL_END)
    texts.append(said[position:])
    if any(CALL_END in part for part in texts):
        raise LiteralError(f"{CALL_END} without a call", 0)
    if not calls:
        return Turn("assistant", said)
    return Turn("assistant", "\n".join(filter(None, map(str.strip, texts))) or None, tuple(calls))


def _results(said: str, where: str, names: set[str]) -> list[Turn]:
    """One result for each block; a turn without blocks is one result."""
    before, *blocks = said.split(RESULT)
    if not blocks:
        return [_result(said.strip(), names)]
    turns: list[Turn] = []
    for around, block in [(before, None), *((block.partition(RESULT_END)[2], block) for block in blocks)]:
        if around.strip():
            return [Turn("tool", problem=(Reason.WRONG_SHAPE, f"{where}: text outside of {RESULT}"))]
        if block is not None:
            turns.append(_result(block.partition(RESULT_END)[0].strip(), names))
    return turns


def _result(body: str, names: set[str]) -> Turn:
    try:
        value = parse_whole_literal(body)
    except LiteralError:
        return Turn("tool", body)
    if not isinstance(value, dict | list):
        return Turn("tool", body)
    name = value.get("name") if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(name, str) and name in names and "content" in value:
        content = value["content"]
        return Turn("tool", content if isinstance(content, str) else json_text(content), tool_name=name)
    return Turn("tool", json_text(value))

"""Glaive v2 as published: `{"system": "SYSTEM: ...", "chat": "USER: ... ASSISTANT: ... <|endoftext|> ..."}`.

Who speaks stands behind a blank line. The tools are JSON objects behind a fixed sentence of the system text. A call is
`<functioncall> {"name": "f", "arguments": '{"a": "it's"}'}`: neither JSON nor Python, since apostrophes inside the
quoted arguments are not escaped. A `FUNCTION RESPONSE:` is the result of the call before it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from octupus.conversation import Conversation, Role, Tool
from octupus.data.reasons import Reason
from octupus.data.sources.literals import LiteralError, parse_literal, skip_whitespace
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Call, Turn, build, text
from octupus.errors import ConversionError
from octupus.schema.validation import STRICT_DECODER, UNIQUE_KEYS_DECODER, json_type

CALL = "<functioncall>"
END = "<|endoftext|>"
ROLES: dict[str, Role] = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}

_SPEAKER = re.compile(r"(?:\A\s*|\n[^\S\n]*\n)(USER|ASSISTANT|FUNCTION RESPONSE):")
_FRAME = re.compile(
    r"You are a helpful assistant with access to the following functions\. Use them if required\s*-?\s*"
)
_NO_TOOLS = "You are a helpful assistant, with no access to external functions."
_HEAD = re.compile(r"""\s*\{\s*"name"\s*:\s*(?=")""")
_ARGUMENTS = re.compile(r"""\s*,\s*"arguments"\s*:\s*('?)\s*(?=\{)""")
_TAIL = {quote: re.compile(rf"\s*{quote}\s*\}}") for quote in ("", "'")}


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    chat = row.get("chat")
    return isinstance(row.get("system"), str) and isinstance(chat, str) and bool(_SPEAKER.match(chat))


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    system, tools = _system(text(row.get("system"), "system") or "")
    if not isinstance(row.get("chat"), str):
        raise ConversionError(Reason.WRONG_SHAPE, f"chat must be a string, not {json_type(row.get('chat'))}")
    chat = row["chat"]
    before, *spoken = _SPEAKER.split(chat)
    if before.strip():
        raise ConversionError(Reason.ROLES_ERROR, f"nobody is said to say {before[:80]!r}")
    turns = [Turn("system", system)]
    for position, (speaker, said) in enumerate(zip(spoken[::2], spoken[1::2], strict=True)):
        said = said.replace(END, "").strip()
        turns.append(_assistant(said, position) if speaker == "ASSISTANT" else Turn(ROLES[speaker], said))
    return build(turns, tools)


def _system(written: str) -> tuple[str, tuple[Tool, ...]]:
    """What the system text says besides the frame, and the tools."""
    written = written.strip().removeprefix("SYSTEM:").strip()
    frame = _FRAME.search(written)
    if not frame:
        return written.replace(_NO_TOOLS, "").strip(), ()
    definitions: list[Any] = []
    position = frame.end()
    while written.startswith("{", position):
        try:
            definition, position = STRICT_DECODER.raw_decode(written, position)
        except (ValueError, RecursionError) as error:
            raise ConversionError(Reason.PARSE_TOOLS, f"tools of the system text: {error}") from error
        definitions.append(definition)
        position = skip_whitespace(written, position)
    if not definitions:
        raise ConversionError(Reason.PARSE_TOOLS, "the system text announces tools and names none")
    parts = (written[: frame.start()], written[position:])
    return "\n".join(filter(None, map(str.strip, parts))), parse_tools(definitions)


def _assistant(said: str, position: int) -> Turn:
    before, *written = said.split(CALL)
    texts = [before.strip()]
    calls: list[Call] = []
    for part in written:
        try:
            call, end = _call(part)
        except (ValueError, RecursionError) as error:
            detail = f"turn {position}: {error} in {part[:80]!r}"
            return Turn("assistant", problem=(Reason.CALL_PARSE_ERROR, detail))
        calls.append(call)
        texts.append(part[end:].strip())
    content = "\n".join(filter(None, texts))
    return Turn("assistant", content or None if calls else content, tuple(calls))


def _call(written: str) -> tuple[Call, int]:
    """The call at the start of the text, and its end. Raises ValueError."""
    head = _HEAD.match(written)
    if head:
        name, end = STRICT_DECODER.raw_decode(written, head.end())
        opening = _ARGUMENTS.match(written, end)
        if opening:
            # The object ends by JSON's rules, wherever apostrophes are.
            try:
                arguments, end = UNIQUE_KEYS_DECODER.raw_decode(written, opening.end())
            except json.JSONDecodeError:
                return _literal_call(written)
            tail = _TAIL[opening[1]].match(written, end)
            if tail:
                return Call(name, arguments), tail.end()
    return _literal_call(written)


def _literal_call(written: str) -> tuple[Call, int]:
    """Calls that escape apostrophes, quote the arguments as JSON does, or write them first."""
    body, end = parse_literal(written)
    if not isinstance(body, dict) or not isinstance(body.get("name"), str):
        raise LiteralError("a call that has no name", 0)
    return Call(body["name"], body.get("arguments")), end

"""A conversation: messages, the tools they may call, and which messages are trained.

The shapes are OpenAI's chat messages. Arguments of a tool call stay the JSON text the model wrote. In tables a
conversation is one row whose `messages` and `tools` columns are JSON strings, since Arrow cannot type free-form
arguments.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from octupus.config import StrictModel

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["chat", "single", "parallel", "multi_step", "multi_turn", "no_call"]


class FunctionCall(StrictModel):
    """The called tool's name and its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(StrictModel):
    """One call of one tool in an assistant message."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class FunctionDefinition(StrictModel):
    """A tool's name, what it does, and the JSON Schema of its arguments."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})


class Tool(StrictModel):
    """A tool as OpenAI clients send it."""

    type: Literal["function"] = "function"
    function: FunctionDefinition


class Message(StrictModel):
    """One message. `tool_call_id` names the call that a message of role `tool` answers."""

    role: Role
    content: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    def to_openai(self) -> dict[str, Any]:
        """The message as OpenAI writes it: absent fields left out, content of a calling assistant may be null."""
        value: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            value["tool_calls"] = [call.model_dump() for call in self.tool_calls]
        if self.tool_call_id is not None:
            value["tool_call_id"] = self.tool_call_id
        return value


class Conversation(StrictModel):
    """One row of a corpus, or one request to be answered."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    loss: tuple[bool, ...] = ()
    """Per message, whether it is trained; empty means every assistant message."""
    source: str = ""
    split: str = "train"
    row: int = 0
    """Position in the source, counted from 0."""
    part: int = 0
    """Which of the conversations that the row holds, counted from 0."""
    language: str = ""
    flags: tuple[str, ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)

    def trained(self, position: int) -> bool:
        """Whether the message at `position` contributes to the loss."""
        if self.messages[position].role != "assistant":
            return False
        return self.loss[position] if self.loss else True

    @property
    def id(self) -> str:
        """sha256 of the canonical messages and tools: equal conversations have equal ids, whatever their source."""
        canonical = json_text([self._messages(), self._tools()], sort_keys=True)
        # surrogatepass: a lone surrogate from a broken corpus must reach the check that names it, not crash here.
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def kind(self) -> Kind:
        """What the conversation teaches, by its calls; see DESIGN of the record."""
        if not self.tools:
            return "chat"
        calling = [message for message in self.messages if message.tool_calls]
        if not calling:
            return "no_call"
        if sum(message.role == "user" for message in self.messages) > 1:
            return "multi_turn"
        if len(calling) > 1:
            return "multi_step"
        return "parallel" if len(calling[0].tool_calls) > 1 else "single"

    def to_row(self) -> dict[str, Any]:
        """The row of a table: plain values, with `messages`, `tools` and `meta` as JSON strings."""
        return {
            "id": self.id,
            "source": self.source,
            "split": self.split,
            "row": self.row,
            "part": self.part,
            "language": self.language,
            "messages": json_text(self._messages()),
            "tools": json_text(self._tools()),
            "loss": [self.trained(position) for position in range(len(self.messages))],
            "kind": self.kind,
            "flags": list(self.flags),
            "meta": json_text(self.meta),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Conversation:
        """The conversation that `to_row` wrote."""
        return cls(
            messages=tuple(Message.model_validate(message) for message in json.loads(row["messages"])),
            tools=tuple(Tool.model_validate(tool) for tool in json.loads(row["tools"])),
            loss=tuple(bool(trained) for trained in row["loss"]),
            source=row["source"],
            split=row["split"],
            row=int(row["row"]),
            part=int(row["part"]),
            language=row["language"],
            flags=tuple(row["flags"]),
            meta=json.loads(row["meta"]),
        )

    def _messages(self) -> list[dict[str, Any]]:
        return [message.to_openai() for message in self.messages]

    def _tools(self) -> list[dict[str, Any]]:
        return [tool.model_dump() for tool in self.tools]


def json_text(value: Any, sort_keys: bool = False) -> str:
    """JSON as octupus writes it everywhere: `", "` and `": "` between tokens, characters unescaped.

    The same text comes from `tojson` in a Hugging Face chat template, and it is what constrained decoding favours.
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)


def results_in_call_order(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with each run of tool results put in the order of the calls they answer.

    A dialect that writes no call ids pairs results with calls by position alone. Runs whose ids do not match the
    calls one to one are left as they are.
    """
    ordered = list(messages)
    for position, message in enumerate(ordered):
        end = position + 1
        while end < len(ordered) and ordered[end].role == "tool":
            end += 1
        results = {result.tool_call_id: result for result in ordered[position + 1 : end]}
        if {call.id for call in message.tool_calls} == set(results) and len(results) == end - position - 1:
            ordered[position + 1 : end] = [results[call.id] for call in message.tool_calls]
    return tuple(ordered)

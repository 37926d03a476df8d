"""One conversation being answered anew: which turn is asked next, and what is written in the end. Pure; no I/O."""

from __future__ import annotations

import json
from typing import Any, Literal

from octupus.config import StrictModel
from octupus.conversation import Conversation, Message, ToolCall
from octupus.data.reanswer.config import ReanswerConfig
from octupus.endpoint.outcome import Answer, Failure, Outcome


class DialogueRules(StrictModel):
    """The part of the configuration that decides what is asked and what becomes of an answer."""

    model: str
    turns: Literal["all", "last"]
    tools: bool
    on_length: Literal["drop", "keep"]
    system_prompt: str
    system_prompt_mode: Literal["replace", "prepend"]
    write_system_prompt: bool

    @classmethod
    def of(cls, config: ReanswerConfig) -> DialogueRules:
        """The rules of a configuration."""
        return cls(**{name: getattr(config, name) for name in cls.model_fields})


def turns_to_answer(conversation: Conversation, which: Literal["all", "last"]) -> list[int]:
    """Positions of the assistant's turns; a conversation that ends with a user or tool message has one behind it."""
    messages = conversation.messages
    positions = [position for position, message in enumerate(messages) if message.role == "assistant"]
    if messages and messages[-1].role in ("user", "tool"):
        positions.append(len(messages))
    return positions[-1:] if which == "last" else positions


def skip_reason(conversation: Conversation, rules: DialogueRules) -> str | None:
    """Why the conversation is not asked, or None."""
    messages = conversation.messages
    if not rules.tools and (
        conversation.tools or any(message.tool_calls or message.role == "tool" for message in messages)
    ):
        return "tools"
    positions = turns_to_answer(conversation, rules.turns)
    if not positions:
        return "no_prompt"
    if any(position == 0 or messages[position - 1].role not in ("user", "tool") for position in positions):
        return "no_prompt"
    return None if writable(conversation.model_dump()) else "lone_surrogate"


def writable(value: Any) -> bool:
    """Whether every text in the value can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class Dialogue:
    """A conversation between its first unanswered turn and its end; `feed` brings it forward."""

    def __init__(self, conversation: Conversation, rules: DialogueRules) -> None:
        self.conversation = conversation
        self.answers: list[Answer] = []
        self.failed = ""
        """Why the conversation cannot be written, once that is known."""
        self.cut = False
        """Whether it ends early, since what follows in the corpus does not fit the new answer."""
        self._rules = rules
        self._waiting = turns_to_answer(conversation, rules.turns)
        self._system = 1 if conversation.messages[0].role == "system" else 0
        self._messages: list[tuple[Message, bool]] = []  # behind the system prompt, each with whether it is trained
        self._advance(self._system, self._waiting[0])

    @property
    def next_turn(self) -> int | None:
        """Position of the turn to ask for; None when there is none left."""
        return None if self.failed or self.cut or not self._waiting else self._waiting[0]

    def prompt(self) -> list[dict[str, Any]]:
        """The messages to send for the next turn."""
        return [message.to_openai() for message in (*self._asked_system(), *(pair[0] for pair in self._messages))]

    def tools(self) -> list[dict[str, Any]]:
        """The tools to send."""
        return [tool.model_dump() for tool in self.conversation.tools]

    def feed(self, outcome: Outcome) -> None:
        """Take what came of asking for the next turn."""
        if isinstance(outcome, Failure):
            self.failed = outcome.reason
            return
        self.failed = self._fault(outcome) or ""
        if self.failed:
            return
        position = self._waiting.pop(0)
        self.answers.append(outcome)
        end = self._waiting[0] if self._waiting else position + 1
        calls = self._calls(position, outcome.tool_calls) if self._waiting else outcome.tool_calls
        if calls is None:
            self.cut, calls = True, outcome.tool_calls
        message = Message(role="assistant", content=outcome.content or (None if calls else ""), tool_calls=calls)
        self._messages.append((message, self._trained(position)))
        if not self.cut:
            self._advance(position + 1, end)

    def row(self) -> dict[str, Any]:
        """The finished conversation as OpenAI's fine-tuning files have it, with where it comes from."""
        conversation = self.conversation
        system = self._asked_system() if self._rules.write_system_prompt else conversation.messages[: self._system]
        messages = [message.to_openai() for message in system]
        for message, trained in self._messages:
            value = message.to_openai()
            if message.role == "assistant" and not trained:
                value["weight"] = 0
            messages.append(value)
        meta = {
            **conversation.meta,
            "teacher": self._rules.model,
            "original_id": conversation.id,
            "row": conversation.row,
            "part": conversation.part,
            "finish_reasons": [answer.finish_reason for answer in self.answers],
        }
        if self.cut:
            meta["cut"] = "calls_differ"
        return {"messages": messages, "tools": self.tools(), "meta": meta}

    def _advance(self, start: int, end: int) -> None:
        originals = self.conversation.messages[start:end]
        self._messages += [(message, self._trained(start + offset)) for offset, message in enumerate(originals)]

    def _trained(self, position: int) -> bool:
        # Behind the end there is only the turn that the corpus leaves to be answered.
        return position == len(self.conversation.messages) or self.conversation.trained(position)

    def _fault(self, answer: Answer) -> str | None:
        if answer.finish_reason == "content_filter":
            return "content_filter"
        if answer.finish_reason == "length" and self._rules.on_length == "drop":
            return "length"
        if not (answer.content or "").strip() and not answer.tool_calls:
            return "empty_answer"
        return None if writable(answer.model_dump()) else "lone_surrogate"

    def _calls(self, position: int, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...] | None:
        """The calls with the ids that the results behind them answer; None when these are results of other calls."""
        recorded = self.conversation.messages[position].tool_calls
        if self.conversation.messages[position + 1].role != "tool":
            return None if calls else ()
        if list(map(_meaning, calls)) != list(map(_meaning, recorded)):
            return None
        return tuple(
            call.model_copy(update={"id": original.id}) for call, original in zip(calls, recorded, strict=True)
        )

    def _asked_system(self) -> tuple[Message, ...]:
        own = self.conversation.messages[: self._system]
        if not self._rules.system_prompt:
            return own
        texts = [self._rules.system_prompt]
        if self._rules.system_prompt_mode == "prepend":
            texts += [message.content for message in own if message.content]
        return (Message(role="system", content="\n\n".join(texts)),)


def _meaning(call: ToolCall) -> tuple[str, Any]:
    """What a call says, whatever its id, spacing and order of keys."""
    try:
        return call.function.name, json.loads(call.function.arguments)
    except ValueError:
        return call.function.name, call.function.arguments

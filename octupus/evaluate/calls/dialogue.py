"""A whole conversation held with the endpoint: the user's messages as the corpus has them, all else as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octupus.conversation import Conversation, json_text
from octupus.evaluate.calls.environment import Environment, MakeEnvironment
from octupus.evaluate.calls.interval import Share
from octupus.evaluate.calls.states import Call, TurnScore, compare, execute, expected_turns, perform
from octupus.evaluate.scoring import Reply

Ask = Callable[[list[dict[str, Any]], list[dict[str, Any]]], Awaitable[Reply]]
INITIAL_STATE = "initial_state"
"""Key of a conversation's `meta` for the state its environment begins with, where it brings one."""


async def hold(conversation: Conversation, ask: Ask, environment: Environment, max_steps: int) -> dict[str, Any]:
    """Hold a conversation; its calls are executed, and their results sent back, until each turn ends without a call.

    Gives JSON: `turns` (for each turn of the user begun, the calls made), `messages`, `error` of a request that failed
    or null, and `exceeded`: whether a turn had more than `max_steps` answers with calls. Both end the conversation.
    """
    record: dict[str, Any] = {"turns": [], "messages": [], "error": None, "exceeded": False}
    tools = [tool.model_dump() for tool in conversation.tools]
    messages: list[dict[str, Any]] = record["messages"]
    for message in conversation.messages:
        if message.role not in ("system", "user"):
            continue
        messages.append(message.to_openai())
        if message.role == "user" and not await _turn(record, tools, ask, environment, max_steps):
            break
    return record


async def _turn(
    record: dict[str, Any], tools: list[dict[str, Any]], ask: Ask, environment: Environment, max_steps: int
) -> bool:
    """One turn of the user; whether the conversation goes on behind it."""
    messages: list[dict[str, Any]] = record["messages"]
    made: list[Call] = []
    record["turns"].append(made)
    offered = {tool["function"]["name"] for tool in tools}
    for step in range(max_steps + 1):
        reply = await ask(messages, tools)
        if reply.error is not None:
            record["error"] = reply.error
            return False
        if not reply.calls:
            messages.append({"role": "assistant", "content": reply.content})
            return True
        if step == max_steps:
            break
        messages.append(_calling(reply, len(messages)))
        for call, sent in zip(reply.calls, messages[-1]["tool_calls"], strict=True):
            made.append(call)
            result = perform(environment, offered, call)
            content = result if isinstance(result, str) else json_text(result)
            messages.append({"role": "tool", "content": content, "tool_call_id": sent["id"]})
    record["exceeded"] = True
    return False


def score_dialogue(
    conversation: Conversation, record: Mapping[str, Any], make: MakeEnvironment
) -> tuple[TurnScore, ...]:
    """A score for each turn of the user; the turn in which a dialogue failed or was too long is wrong.

    The calls of the record are executed again, so an environment must do the same whenever it is asked the same.
    """
    offered = {tool.function.name for tool in conversation.tools}
    initial = conversation.meta.get(INITIAL_STATE)
    turns = [[(name, arguments) for name, arguments in turn] for turn in record["turns"]]
    whole = turns[:-1] if record["error"] is not None or record["exceeded"] else turns
    return compare(
        execute(make(initial), offered, whole), execute(make(initial), offered, expected_turns(conversation))
    )


@dataclass(frozen=True)
class Dialogue:
    """A conversation that was held: its record, and a score for each turn of the user (at least one)."""

    conversation: Conversation
    record: Mapping[str, Any]
    turns: tuple[TurnScore, ...]

    @property
    def right(self) -> bool:
        """Whether every turn is."""
        return all(turn.right for turn in self.turns)


@dataclass(frozen=True)
class DialogueTotals:
    """Conversations held: those whose every turn is right, or whose final state is, and their turns one by one."""

    conversations: int
    failed: int
    """Ended by a request that failed."""
    too_long: int
    """Ended by too many steps in one turn."""
    shares: Mapping[str, Share]

    def to_json(self) -> dict[str, Any]:
        """For calls.json."""
        shares = {name: share.to_json() for name, share in self.shares.items()}
        return {"conversations": self.conversations, "failed": self.failed, "too_long": self.too_long, **shares}


def dialogue_totals(dialogues: Sequence[Dialogue]) -> DialogueTotals:
    """The sums over conversations."""
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    return DialogueTotals(
        conversations=len(dialogues),
        failed=sum(dialogue.record["error"] is not None for dialogue in dialogues),
        too_long=sum(dialogue.record["exceeded"] for dialogue in dialogues),
        shares={
            "conversations_right": Share(sum(dialogue.right for dialogue in dialogues), len(dialogues)),
            "final_state": Share(sum(dialogue.turns[-1].state_equal for dialogue in dialogues), len(dialogues)),
            "turns_right": Share(sum(turn.right for turn in turns), len(turns)),
        },
    )


def _calling(reply: Reply, number: int) -> dict[str, Any]:
    """The assistant's message as it is sent back, with ids of its own."""
    calls = [
        {"id": f"call_{number}_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(reply.calls)
    ]
    return {"role": "assistant", "content": reply.content, "tool_calls": calls}

"""Held-out conversations that tests ask about: weather in cities, a bank account, and nothing to call."""

import json
from typing import Any

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall

WEATHER = Tool(
    function=FunctionDefinition(
        name="weather",
        description="Weather in a city",
        parameters={
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
            "required": ["city"],
        },
    )
)
DEPOSIT, BALANCE = (
    Tool(
        function=FunctionDefinition(
            name=name,
            description=name,
            parameters={"type": "object", "properties": properties, "required": list(properties)},
        )
    )
    for name, properties in (("deposit", {"amount": {"type": "integer"}}), ("balance", {}))
)


def calling(*calls: tuple[str, dict[str, Any]], first_id: int = 0) -> Message:
    return Message(
        role="assistant",
        tool_calls=tuple(
            ToolCall(id=f"call_{first_id + place}", function=FunctionCall(name=name, arguments=json.dumps(arguments)))
            for place, (name, arguments) in enumerate(calls)
        ),
    )


def user(text: str) -> Message:
    return Message(role="user", content=text)


def said(text: str) -> Message:
    return Message(role="assistant", content=text)


def result(text: str, place: int = 0) -> Message:
    return Message(role="tool", content=text, tool_call_id=f"call_{place}")


def weather(city: str, source: str = "cities", split: str = "test", language: str = "en") -> Conversation:
    messages = (user(f"Weather in {city}?"), calling(("weather", {"city": city})), result("sunny"), said("Sunny."))
    return Conversation(messages=messages, tools=(WEATHER,), source=source, split=split, language=language)


def no_call(text: str) -> Conversation:
    messages = (user(text), said("I have no tool for that."))
    return Conversation(messages=messages, tools=(WEATHER,), source="chatter", split="test", language="en")


def bank() -> Conversation:
    """Two turns of the user: deposit 5 and say the balance; deposit 2."""
    messages = (
        user("Deposit 5, then tell me the balance."),
        calling(("deposit", {"amount": 5})),
        result("null"),
        calling(("balance", {}), first_id=1),
        result("5", 1),
        said("It is 5."),
        user("Deposit 2 more."),
        calling(("deposit", {"amount": 2}), first_id=2),
        result("null", 2),
        said("Done."),
    )
    return Conversation(messages=messages, tools=(DEPOSIT, BALANCE), source="bank", split="test", language="en")


class Bank:
    """The tools of `bank`, executed."""

    def __init__(self, initial_state: int = 0) -> None:
        self.total = initial_state
        self._calls = 0

    def deposit(self, amount: int) -> None:
        self._calls += 1
        if amount < 0:
            raise ValueError("a deposit is positive")
        self.total += amount

    def balance(self) -> int:
        return self.total

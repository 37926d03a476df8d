"""Scores count what clients would find: valid calls, right tools, exact calls."""

from typing import Any

import pytest

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.evaluate.held_out import requests_of
from octupus.evaluate.scoring import Reply, is_valid, score

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
WANTED = (("weather", {"city": "Paris", "days": 2}),)


@pytest.mark.parametrize(
    ("call", "valid"),
    [
        (("weather", '{"city": "Paris"}'), True),
        (("weather", '{"days": 2, "city": "x"}'), True),
        (("weather", '{"city": 3}'), False),
        (("weather", "{}"), False),
        (("weather", '{"city": "x", "more": 1}'), False),
        (("weather", '{"city": "x"'), False),
        (("weather", '{"city": "x", "city": "y"}'), False),
        (("other", "{}"), False),
    ],
)
def test_validity(call: tuple[str, str], valid: bool) -> None:
    assert is_valid(call, TOOLS) == valid


@pytest.mark.parametrize(
    ("reply", "expected", "right", "exact"),
    [
        (Reply(calls=(("weather", '{"days": 2, "city": "Paris"}'),)), WANTED, 1, 1),
        (Reply(calls=(("weather", '{"city": "Rome"}'),)), WANTED, 1, 0),
        (Reply(calls=(("weather", '{"city": "Paris", "days": 2}'),) * 2), WANTED, 0, 0),
        (Reply(content="no"), WANTED, 0, 0),
        (Reply(content="no"), (), 1, 0),
        (Reply(calls=(("weather", "{"),)), (), 0, 0),
        (Reply(error="500"), (), 0, 0),
        (Reply(error="500"), WANTED, 0, 0),
    ],
)
def test_right_and_exact(reply: Reply, expected: Any, right: int, exact: int) -> None:
    found = score([TOOLS], [expected], [reply])
    assert (found.right_tool, found.exact_calls) == (right, exact)
    assert found.failed == (reply.error is not None)
    assert found.expecting_calls == bool(expected)


def test_parallel_calls_may_come_in_any_order() -> None:
    wanted = (("weather", {"city": "a"}), ("weather", {"city": "b"}))
    reply = Reply(calls=(("weather", '{"city": "b"}'), ("weather", '{"city": "a"}')))
    assert score([TOOLS], [wanted], [reply]).exact_share == 1


def test_held_out_conversations_are_asked_up_to_their_first_call() -> None:
    call = ToolCall(id="call_0", function=FunctionCall(name="weather", arguments='{"city": "Paris"}'))
    tool = Tool(function=FunctionDefinition(name="weather", parameters=PARAMETERS))
    calling = Conversation(
        messages=(
            Message(role="user", content="hi"),
            Message(role="assistant", content="hello"),
            Message(role="user", content="weather?"),
            Message(role="assistant", tool_calls=(call,)),
        ),
        tools=(tool,),
    )
    talking = calling.model_copy(update={"messages": calling.messages[:2]})
    chat = talking.model_copy(update={"tools": ()})
    first, second = requests_of([calling, chat, talking], 10)
    assert [message["content"] for message in first.messages] == ["hi", "hello", "weather?"]
    assert first.expected_calls == (("weather", {"city": "Paris"}),)
    assert second.expected_calls == ()
    assert len(requests_of([calling] * 5, 3)) == 3

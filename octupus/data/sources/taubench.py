"""tau-bench's recorded trajectories: `{"task_id", "reward", "info", "traj": [OpenAI messages], "trial"}`.

A reward below 1 means that the recorded model left the database in a wrong state. The file does not hold the tools, so
they are inferred from all its calls. A trajectory ends with the simulated user's `###STOP###` or with the result of the
transfer to a person; both come after the last thing there is to learn and are cut.

The few-shot files (`{"messages_display"}`) show text alone: what was called is not in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from octupus.conversation import Conversation, Tool, json_text
from octupus.data.reasons import Reason
from octupus.data.sources.inferred_tools import infer_tools
from octupus.data.sources.openai_messages import convert_messages
from octupus.data.sources.reader import read_rows
from octupus.data.sources.turns import sequence
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, parse_arguments


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return (isinstance(row.get("traj"), list) and "reward" in row) or isinstance(row.get("messages_display"), str)


def bind(path: Path) -> Callable[[dict[str, Any]], Conversation]:
    """The converter of one file, whose calls all tell of the tools. Raises CorpusError when it cannot be read."""
    return partial(_convert, tools=_tools(path))


def _convert(row: dict[str, Any], tools: tuple[Tool, ...]) -> Conversation:
    if "messages_display" in row:
        raise ConversionError(Reason.CALL_PARSE_ERROR, "the few-shot form shows results, but not what was called")
    reward = row.get("reward")
    if not isinstance(reward, int | float):
        raise ConversionError(Reason.WRONG_SHAPE, "reward must be a number")
    if reward < 1:
        raise ConversionError(Reason.FAILED_TRAJECTORY, f"the reward is {reward}")
    messages = list(sequence(row.get("traj"), "traj"))
    while messages and isinstance(messages[-1], dict) and messages[-1].get("role") in ("user", "tool"):
        messages.pop()
    messages = [_with_content(message) for message in messages]
    definitions = [tool.model_dump() for tool in tools]
    return convert_messages(messages, definitions).model_copy(update={"meta": {"tools": "inferred"}})


def _with_content(message: Any) -> Any:
    """A result that is the empty string, as that of `think`, as the JSON of it: a result must say something."""
    if isinstance(message, dict) and message.get("role") == "tool" and message.get("content") == "":
        return {**message, "content": json_text("")}
    return message


@lru_cache(maxsize=8)
def _tools(path: Path) -> tuple[Tool, ...]:
    return infer_tools(call for row in read_rows(path, "drop") for call in _calls(row.value))


def _calls(row: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The readable calls of a row, whatever its reward. What is wrong with others is said when the row is converted."""
    messages = row.get("traj") if isinstance(row, dict) else None
    for message in messages if isinstance(messages, list) else []:
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for call in calls if isinstance(calls, list) else []:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                try:
                    yield function["name"], parse_arguments(str(function.get("arguments") or "{}"))
                except InvalidJsonError:
                    continue

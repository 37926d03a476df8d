"""API-Bank's dialogues, and where their tools come from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.conversation import Conversation
from octupus.data.checks import check_schemas, check_structure
from octupus.data.reasons import Reason
from octupus.data.sources import apibank
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError, CorpusError

ALARM_CLASS = """
from apis.api import API
print("a module that is run would say so")
raise SystemExit(1)

class AddAlarm(API):
    description = "Sets an alarm."
    input_parameters = {"time": {"type": "str", "description": "When."}, "days": {"type": "list(str)"}}
    output_parameters = {"status": {"type": "str"}}
    database_name = open("x").read()

class Helper:
    description = "no API"
"""


def user(text: str) -> dict[str, Any]:
    return {"role": "User", "text": text}


def ai(text: str) -> dict[str, Any]:
    return {"role": "AI", "text": text}


def api(name: str, output: Any, exception: Any = None, **arguments: Any) -> dict[str, Any]:
    result = {"api_name": name, "input": arguments, "output": output, "exception": exception}
    return {"role": "API", "api_name": name, "param_dict": arguments, "result": result}


def convert(directory: Path, *lines: Any, name: str = "AddAlarm-level-1-1.jsonl") -> Conversation:
    """The dialogue as the only one of a directory."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("\n".join(map(json.dumps, lines)))
    return apibank.bind(directory)({"file": name, "lines": list(lines)})


def test_calls_results_and_what_is_said_before(tmp_path: Path) -> None:
    lines = [
        user("Wake me."),
        ai("One moment."),
        api("GetToken", {"token": "t"}, user="me"),
        api("AddAlarm", "success", token="t"),
        ai("Done."),
        ai("Anything else?"),
        user("No."),
    ]
    assert apibank.recognises({"file": "x.jsonl", "lines": lines})
    conversation = convert(tmp_path / "d", *lines)
    assert [message.role for message in conversation.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    first, _, second = conversation.messages[1:4]
    assert (first.content, second.content) == ("One moment.", None)
    assert conversation.messages[2].content == '{"token": "t"}'
    assert conversation.messages[4].content == "success"
    assert conversation.messages[4].tool_call_id == second.tool_calls[0].id
    assert conversation.messages[5].content == "Done.\nAnything else?"
    assert [tool.function.name for tool in conversation.tools] == ["AddAlarm", "GetToken"]
    assert conversation.meta == {"tools": "inferred"}
    assert check_structure(conversation) is None
    assert check_schemas(conversation) is None


def test_an_exception_and_an_empty_output_say_something(tmp_path: Path) -> None:
    conversation = convert(tmp_path / "d", user("?"), api("A", None, "no such user"), api("A", ""), ai("!"))
    assert [message.content for message in conversation.messages if message.role == "tool"] == [
        '{"exception": "no such user"}',
        '""',
    ]


def test_what_cannot_be_read_ends_the_dialogue(tmp_path: Path) -> None:
    broken = {"role": "API", "api_name": "A", "param_dict": "x"}
    conversation = convert(tmp_path / "d", user("?"), ai("First."), user("?"), broken, ai("!"))
    assert conversation.messages[-1].content == "First."
    assert conversation.flags == ("cut_call_parse_error",)


def test_definitions_come_from_the_classes_beside_and_nothing_is_run(tmp_path: Path) -> None:
    (tmp_path / "apis").mkdir()
    (tmp_path / "apis" / "add_alarm.py").write_text(ALARM_CLASS)
    (tmp_path / "apis" / "broken.py").write_text("class (")
    conversation = convert(tmp_path / "d", user("?"), api("AddAlarm", "ok", time="7", days="['Mon', 'Tue']"), ai("!"))
    (tool,) = conversation.tools
    assert tool.function.description == "Sets an alarm."
    assert tool.function.parameters["required"] == ["time", "days"]
    assert conversation.meta == {}
    arguments = conversation.messages[1].tool_calls[0].function.arguments
    assert arguments == '{"time": "7", "days": ["Mon", "Tue"]}'
    assert check_schemas(conversation) is None


def test_definitions_come_from_what_the_searcher_found(tmp_path: Path) -> None:
    found = {"name": "AddAlarm", "description": "Sets.", "input_parameters": {"time": {"type": "str"}}}
    searched = api("ToolSearcher", [found, "no definition"], keywords="alarm")
    conversation = convert(tmp_path / "d", user("?"), searched, api("AddAlarm", "ok", time="7"), ai("!"))
    described = {tool.function.name: tool.function.description for tool in conversation.tools}
    assert described == {"AddAlarm": "Sets.", "ToolSearcher": ""}
    assert conversation.meta == {"tools": "inferred"}


@pytest.mark.parametrize(
    ("value", "schema", "read"),
    [
        ("[1, 'a']", {"type": "array"}, [1, "a"]),
        ("{'a': None}", {"type": "object"}, {"a": None}),
        ("[1", {"type": "array"}, "[1"),
        ("7", {"type": "array"}, "7"),
        ("[1]", {"type": "string"}, "[1]"),
        ("[open('x')]", {"type": "array"}, "[open('x')]"),
        (["a"], {"type": "array"}, ["a"]),
    ],
)
def test_lists_and_objects_written_as_text(tmp_path: Path, value: Any, schema: Any, read: Any) -> None:
    tool = convert(tmp_path / "d", user("?"), api("A", "x"), ai("!")).tools[0]
    tool = tool.model_copy(
        update={"function": tool.function.model_copy(update={"parameters": {"properties": {"a": schema}}})}
    )
    assert apibank.read_containers({"a": value, "b": value}, tool) == {"a": read, "b": value}


def test_a_source_that_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="directory of dialogues"):
        apibank.bind(tmp_path / "absent")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [(3, Reason.WRONG_SHAPE), ([3], Reason.WRONG_SHAPE), ([{"role": "ape"}], Reason.ROLES_ERROR)],
)
def test_what_cannot_be_converted_has_a_reason(tmp_path: Path, lines: Any, reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        apibank.bind(tmp_path)({"file": "x", "lines": lines})
    assert caught.value.reason == reason


def test_other_formats_are_not_claimed() -> None:
    assert not apibank.recognises({"file": "x", "lines": []})
    assert not apibank.recognises({"file": "x", "lines": [{"role": "user", "text": ""}]})
    assert not apibank.recognises({"lines": [user("?")]})


def test_real_dialogues(shared: Callable[[str], Path]) -> None:
    directory = shared("corpora/apibank/lv1-lv2-samples")
    convert_row = apibank.bind(directory)
    outcomes = Counter[str]()
    for row in read_rows(directory):
        assert apibank.recognises(row.value)
        conversation = convert_row(row.value)
        assert check_structure(conversation) is None
        finding = check_schemas(conversation)
        outcomes[str(finding.reason) if finding else "kept"] += 1
    # Texts for integers and numbers, which the repair step respells.
    assert outcomes == {"kept": 178, "schema_error": 5}

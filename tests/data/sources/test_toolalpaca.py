"""ToolAlpaca: one conversation an instruction, from golden answers or from recorded steps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.conversation import Conversation
from octupus.data.checks import check_structure, check_tools
from octupus.data.reasons import Reason
from octupus.data.sources import toolalpaca
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError

SEARCH = """Search for anime.
Parameters: {"query": "Required. string. The query.", "filters": "Object.  Filters.", "ids": "Array[integer]. Ids.",\
 "rows": "Array[Object{a: string. A.}. ]. Rows.", "other": "Something."}
Output: A list."""
DESCRIBED = {"search": SEARCH, "list": "Parameters: {}\nOutput: x", "components": "How outputs look."}


def step(action: str, written: str) -> dict[str, str]:
    return {"Action": action, "Action_Input": written}


def golden(*answer: Any) -> Conversation:
    row = {"Function_Description": DESCRIBED, "Instructions": ["Find it."], "Golden_Answers": [list(answer)]}
    assert toolalpaca.recognises(row)
    (conversation,) = toolalpaca.convert(row)
    return conversation


def recorded(*steps: Any, **fields: Any) -> Conversation:
    instance = {"input": "Find it.", "intermediate_steps": list(steps), **fields}
    row = {"Function_Description": DESCRIBED, "NLDocumentation": "", "Instances": [instance]}
    assert toolalpaca.recognises(row)
    (conversation,) = toolalpaca.convert(row)
    return conversation


def called(conversation: Conversation) -> list[tuple[str, str]]:
    calls = [call.function for message in conversation.messages for call in message.tool_calls]
    return [(function.name, function.arguments) for function in calls]


def test_tools_in_words() -> None:
    search, listed = golden(step("list", "{}")).tools
    assert search.function.description == "Search for anime."
    assert search.function.parameters == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "The query."},
            "filters": {"type": "object", "description": "Filters."},
            "ids": {"type": "array", "items": {"type": "integer"}, "description": "Ids."},
            "rows": {"type": "array", "description": "[Object{a: string. A.}. ]. Rows."},
            "other": {"description": "Something."},
        },
        "required": ["query"],
    }
    assert listed.function.parameters["properties"] == {}


def test_golden_answers_are_one_turn() -> None:
    conversation = golden(
        step("search", '{"query": "a"}'), step("[Optional]list", "{}"), step("search", '{"query": "b"}')
    )
    assert called(conversation) == [("search", '{"query": "a"}'), ("search", '{"query": "b"}')]
    assert len(conversation.messages) == 2
    assert conversation.flags == ()


@pytest.mark.parametrize(
    ("written", "flag"),
    [
        ('{"query": ${id from search}}', "cut_ungrounded"),
        ('{"query": "${string}"}', "cut_ungrounded"),
        ('{"query": "{start date}"}', "cut_ungrounded"),
        ('{"query": "query": 1}', "cut_call_parse_error"),
    ],
)
def test_an_answer_ends_before_what_cannot_be_written(written: str, flag: str) -> None:
    conversation = golden(step("list", "{}"), step("search", written), step("list", "{}"))
    assert called(conversation) == [("list", "{}")]
    assert conversation.flags == (flag,)
    nothing = golden(step("search", written), step("list", "{}"))
    assert [message.role for message in nothing.messages] == ["user"]
    assert nothing.flags == (flag,)
    finding = check_structure(nothing)
    assert finding
    assert finding.reason == Reason.NO_ASSISTANT


def test_asking_the_user_is_a_message() -> None:
    asked = step("getDetails", '{"Question": "Which one?"}')
    conversation = golden(asked, step("search", '{"query": "made up"}'))
    assert [message.content for message in conversation.messages] == ["Find it.", "Which one?"]
    assert conversation.flags == ("cut_ungrounded",)
    assert golden(asked).flags == ()
    assert called(golden(step("list", "{}"), asked)) == [("list", "{}")]


def test_one_conversation_for_each_instruction() -> None:
    row = {
        "Function_Description": DESCRIBED,
        "Instructions": ["a", "b", "c"],
        "Golden_Answers": [[step("list", "{}")], [step("list", "{")], [step("list", "{}")]],
    }
    conversations = toolalpaca.convert(row)
    assert [conversation.messages[0].content for conversation in conversations] == ["a", "b", "c"]
    assert [len(conversation.messages) for conversation in conversations] == [2, 1, 2]


def test_recorded_steps() -> None:
    log = 'I search.\nASSISTANT Action: search\nASSISTANT Action Input: {"query": "a"}'
    conversation = recorded(
        [["search", '{"query": "a"}', log], "Status Code: 200."],
        [["getDetails", '{"Question": "Which?"}', ""], "The first."],
        [["list", {}, "\nThought: Now the list.\nAction: list"], "Status Code: 500."],
        output="Here it is.",
    )
    assert [(message.role, message.content) for message in conversation.messages] == [
        ("user", "Find it."),
        ("assistant", "I search."),
        ("tool", "Status Code: 200."),
        ("assistant", "Which?"),
        ("user", "The first."),
        ("assistant", "Now the list."),
        ("tool", "Status Code: 500."),
        ("assistant", "Here it is."),
    ]
    assert called(conversation) == [("search", '{"query": "a"}'), ("list", "{}")]
    assert check_structure(conversation) is None


def test_recorded_steps_end_before_what_cannot_be_read() -> None:
    good = [["list", "{}", ""], "ok"]
    conversation = recorded(good, [["list", "{", ""], "error"], output="!")
    assert called(conversation) == [("list", "{}")]
    assert conversation.flags == ("cut_call_parse_error",)
    assert recorded(good, error="timed out").flags == ("cut_failed_trajectory",)
    assert len(recorded(good, error="timed out").messages) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Function_Description": None}, Reason.WRONG_SHAPE),
        ({"Function_Description": {"a": 3}}, Reason.WRONG_SHAPE),
        ({"Function_Description": {"a": "No parameters."}}, Reason.PARSE_TOOLS),
        ({"Function_Description": {"a": "Parameters: {x}"}}, Reason.PARSE_TOOLS),
        ({"Function_Description": {"a": 'Parameters: {"x": 1}'}}, Reason.PARSE_TOOLS),
        ({"Instructions": None}, Reason.WRONG_SHAPE),
        ({"Instructions": []}, Reason.WRONG_SHAPE),
        ({"Instructions": [3]}, Reason.WRONG_SHAPE),
        ({"Golden_Answers": [3]}, Reason.WRONG_SHAPE),
        ({"Golden_Answers": [[3]]}, Reason.WRONG_SHAPE),
        ({"Instructions": [], "Golden_Answers": []}, Reason.NO_ASSISTANT),
        ({"Instances": [3]}, Reason.WRONG_SHAPE),
        ({"Instances": [{"input": "x", "output": "y", "intermediate_steps": [3]}]}, Reason.WRONG_SHAPE),
    ],
)
def test_what_cannot_be_converted_has_a_reason(changes: dict[str, Any], reason: Reason) -> None:
    row = {"Function_Description": DESCRIBED, "Instructions": ["a"], "Golden_Answers": [[step("list", "{}")]]}
    with pytest.raises(ConversionError) as caught:
        toolalpaca.convert({**row, **changes})
    assert caught.value.reason == reason


def test_other_formats_are_not_claimed() -> None:
    assert not toolalpaca.recognises({"Instructions": []})
    assert not toolalpaca.recognises({"Function_Description": json.dumps(DESCRIBED), "Instructions": []})
    assert not toolalpaca.recognises({"instruction": "x", "output": "y"})


@pytest.mark.parametrize(
    ("name", "count", "flags", "unread"),
    [
        ("eval_real", 102, {"cut_call_parse_error": 4}, 4),
        ("eval_simulated", 95, {"cut_ungrounded": 33}, 8),
    ],
)
def test_real_rows(shared: Callable[[str], Path], name: str, count: int, flags: dict[str, int], unread: int) -> None:
    conversations: list[Conversation] = []
    for raw in read_rows(shared(f"corpora/toolalpaca/{name}.json")):
        assert toolalpaca.recognises(raw.value)
        conversations += toolalpaca.convert(raw.value)
    assert len(conversations) == count
    assert Counter(flag for conversation in conversations for flag in conversation.flags) == flags
    assert sum(check_structure(conversation) is not None for conversation in conversations) == unread
    assert all(check_tools(conversation) is None for conversation in conversations)

"""tau-bench's trajectories: only those that succeeded, with tools drawn from the file's calls."""

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
from octupus.data.sources import taubench
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError, CorpusError


def calls(name: str, identity: str, **arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    called = {"id": identity, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [called]}


def result(name: str, identity: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "name": name, "content": content}


def row(*messages: Any, reward: Any = 1.0) -> dict[str, Any]:
    return {"task_id": 1, "reward": reward, "info": {}, "traj": list(messages), "trial": 0}


ASKED = {"role": "user", "content": "Cancel it."}
DONE = {"role": "assistant", "content": "Done."}
STOP = {"role": "user", "content": "###STOP###"}


def convert(directory: Path, *rows: Any) -> list[Conversation]:
    path = directory / "trajectories.json"
    path.write_text(json.dumps(rows))
    return [taubench.bind(path)(value) for value in rows]


def test_a_trajectory_ends_with_the_assistant(tmp_path: Path) -> None:
    value = row(ASKED, calls("cancel", "x", id="A"), result("cancel", "x", "ok"), DONE, STOP)
    assert taubench.recognises(value)
    (conversation,) = convert(tmp_path, value)
    assert [message.role for message in conversation.messages] == ["user", "assistant", "tool", "assistant"]
    assert conversation.messages[2].tool_call_id == "x"
    assert conversation.meta == {"tools": "inferred"}
    assert check_structure(conversation) is None
    assert check_schemas(conversation) is None


def test_the_result_of_a_transfer_is_cut(tmp_path: Path) -> None:
    (conversation,) = convert(tmp_path, row(ASKED, calls("transfer", "x"), result("transfer", "x", "ok"), STOP))
    assert [message.role for message in conversation.messages] == ["user", "assistant"]
    assert check_structure(conversation) is None


def test_an_empty_result_is_written_as_json(tmp_path: Path) -> None:
    (conversation,) = convert(tmp_path, row(ASKED, calls("think", "x", thought="hm"), result("think", "x", ""), DONE))
    assert conversation.messages[2].content == '""'
    assert check_structure(conversation) is None


def test_tools_come_from_all_rows_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    broken = {"role": "assistant", "tool_calls": [{"function": {"name": "b", "arguments": "{"}}, 3, {"function": 3}]}
    rows = [
        row(ASKED, calls("a", "x", p=1), reward=0.0),
        row(ASKED, calls("a", "x", p=2, q="z")),
        row(broken),
        row(3),
        {"traj": 3, "reward": 1},
    ]
    path.write_text("\n".join([*map(json.dumps, rows), "{"]))
    (tool,) = taubench.bind(path)(rows[1]).tools
    assert tool.function.parameters["required"] == ["p"]
    assert set(tool.function.parameters["properties"]) == {"p", "q"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (row(ASKED, DONE, reward=0.0), Reason.FAILED_TRAJECTORY),
        (row(ASKED, DONE, reward=0.5), Reason.FAILED_TRAJECTORY),
        (row(ASKED, DONE, reward=None), Reason.WRONG_SHAPE),
        (row(3), Reason.WRONG_SHAPE),
        ({"messages_display": "user: x\nassistant: None\ntool: y"}, Reason.CALL_PARSE_ERROR),
    ],
)
def test_what_cannot_be_converted_has_a_reason(tmp_path: Path, value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(tmp_path, value)
    assert caught.value.reason == reason


def test_recognition() -> None:
    assert taubench.recognises({"messages_display": "user: x"})
    assert not taubench.recognises({"messages": [], "reward": 1})


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError):
        taubench.bind(tmp_path / "absent.json")


def test_real_trajectories(shared: Callable[[str], Path]) -> None:
    path = shared("corpora/taubench/gpt-4o-airline.json")
    bound = taubench.bind(path)
    outcomes = Counter[str]()
    for raw in read_rows(path):
        try:
            conversation = bound(raw.value)
        except ConversionError as error:
            outcomes[error.reason] += 1
            continue
        assert check_structure(conversation) is None
        assert check_schemas(conversation) is None
        assert len(conversation.tools) == 14
        outcomes["kept"] += 1
    assert outcomes == {"failed_trajectory": 72, "kept": 64}

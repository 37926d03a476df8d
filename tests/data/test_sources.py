"""Readers, format detection and converters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation
from octupus.data.reasons import Reason
from octupus.data.rows import check_row, convert_row
from octupus.data.sources import alpaca, openai_messages, sharegpt
from octupus.data.sources.detect import detect_format
from octupus.data.sources.reader import read_rows
from octupus.data.sources.registry import FORMATS
from octupus.data.sources.turns import in_schema_order
from octupus.errors import ConversionError, CorpusError

WEATHER = {
    "name": "get_weather",
    "description": "Weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def values(path: Path, **options: Any) -> list[Any]:
    return [row.value for row in read_rows(path, **options)]


# Reading


@given(rows=st.lists(json_values, min_size=1, max_size=5), indent=st.sampled_from([None, 0, 2]))
@settings(max_examples=60, deadline=None)
def test_arrays_and_lines_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], indent: int | None
) -> None:
    directory = tmp_path_factory.mktemp("corpus")
    (directory / "a.json").write_text(json.dumps(rows, indent=indent))
    (directory / "b.jsonl").write_text("\n\n".join(map(json.dumps, rows)) + "\n", "utf-8-sig")
    for name in ("a.json", "b.jsonl"):
        read = list(read_rows(directory / name))
        assert [row.value for row in read] == rows
        assert [row.row for row in read] == list(range(len(rows)))
        assert [json.loads(row.text) for row in read] == rows


def test_parquet_rows(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "a"}]}, {"messages": []}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    assert values(tmp_path / "c.parquet") == rows


def test_a_json_file_of_lines_is_read_as_lines(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"a": 1}\n{"a": 2}\n')
    assert values(tmp_path / "c.json") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("line", "column"), [(b'{"a": }', 7), (b'{"a": NaN}', 1), (b'{"a": 1', 8), (b'{"a": "\xff"}', 8), (b"{} {}", 4)]
)
def test_broken_lines_stop_or_are_dropped(tmp_path: Path, line: bytes, column: int) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(b'{"a": 0}\n\n' + line + b'\n{"a": 2}\n')
    with pytest.raises(CorpusError, match="--on_broken_line drop") as caught:
        values(path)
    assert str(caught.value).startswith(f"{path}:3:{column}: ")
    rows = list(read_rows(path, "drop"))
    assert [bool(row.problem) for row in rows] == [False, True, False]
    assert [row.row for row in rows] == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "place"),
    [("[1,\n 2 3]", "2:4"), ("[1,\n", "2:1"), ("[1,\n]", "2:1"), ("[", "1:2")],
)
def test_a_broken_array_names_the_place(tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(content)
    with pytest.raises(CorpusError) as caught:
        values(path, on_broken_line="drop")
    assert str(caught.value).startswith(f"{path}:{place}: ")


@pytest.mark.parametrize(("name", "content"), [("c.json", "[]"), ("c.json", ""), ("c.jsonl", "\n \n")])
def test_an_empty_corpus_is_an_error(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match="holds no rows"):
        values(tmp_path / name)


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="does not exist"):
        values(tmp_path / "absent.json")
    (tmp_path / "c.csv").write_text("a")
    with pytest.raises(CorpusError, match=r"none of \.json, \.jsonl, \.parquet"):
        values(tmp_path / "c.csv")
    (tmp_path / "c.parquet").write_text("a")
    with pytest.raises(CorpusError, match="no readable parquet"):
        values(tmp_path / "c.parquet")


# Detection


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"messages": []}, "openai_messages"),
        ({"conversations": []}, "sharegpt"),
        ({"conversation": []}, "sharegpt"),
        ({"instruction": "", "output": ""}, "alpaca"),
    ],
)
def test_detection(row: dict[str, Any], name: str) -> None:
    assert detect_format([None, {"x": 1}, row], Path("c.json")) == name


def test_an_unknown_format_lists_formats_and_keys() -> None:
    with pytest.raises(CorpusError) as caught:
        detect_format([{"prompt": 1, "chosen": 2}], Path("c.json"))
    for word in (*FORMATS, "prompt", "chosen"):
        assert word in str(caught.value)


# Conversion


def glaive(*turns: tuple[str, Any], tools: Any = None) -> Conversation:
    rows = [{"from": role, "value": value} for role, value in turns]
    return sharegpt.convert({"conversations": rows, "tools": json.dumps([WEATHER] if tools is None else tools)})


def call_text(**arguments: Any) -> str:
    return json.dumps({"name": "get_weather", "arguments": arguments})


def test_sharegpt_calls_and_results() -> None:
    conversation = glaive(
        ("human", "Rome?"), ("function_call", call_text(days=2, city="Rome")), ("observation", "sunny"), ("gpt", "Sun.")
    )
    assert [message.role for message in conversation.messages] == ["user", "assistant", "tool", "assistant"]
    (call,) = conversation.messages[1].tool_calls
    assert (call.id, call.function.arguments) == ("call_0", '{"city": "Rome", "days": 2}')
    assert conversation.messages[2].tool_call_id == "call_0"
    assert conversation.kind == "single"


def test_parallel_calls_as_turns_and_as_a_list_are_one_conversation() -> None:
    first, second = call_text(city="Rome"), call_text(city="Oslo")
    results = (("observation", "1"), ("observation", "2"), ("gpt", "done"))
    turns = glaive(("human", "?"), ("function_call", first), ("function_call", second), *results)
    listed = glaive(("human", "?"), ("function_call", f"[{first}, {second}]"), *results)
    assert turns == listed
    assert [call.id for call in turns.messages[1].tool_calls] == ["call_0", "call_1"]
    assert [message.tool_call_id for message in turns.messages[2:4]] == ["call_0", "call_1"]
    assert turns.kind == "parallel"


def test_text_before_a_call_stays_its_content() -> None:
    conversation = glaive(("user", "?"), ("assistant", "I look."), ("function_call", call_text(city="Rome")))
    assert conversation.messages[1].content == "I look."
    assert len(conversation.messages[1].tool_calls) == 1


def test_sharegpt_accepts_openai_names_and_calls() -> None:
    call = {"function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    from_sharegpt = sharegpt.convert({"conversation": messages, "tools": [WEATHER]})
    wrapped = {"messages": messages, "tools": [{"type": "function", "function": WEATHER}]}
    assert from_sharegpt == openai_messages.convert(wrapped)


def test_openai_ids_weights_and_parts() -> None:
    conversation = openai_messages.convert(
        {
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": "no", "weight": 0},
                {"role": "user", "content": "?"},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "x", "function": {"name": "get_weather", "arguments": {"city": "A"}}},
                        {"id": "y", "function": {"name": "get_weather", "arguments": ""}},
                    ],
                },
                {"role": "tool", "tool_call_id": "y", "content": "2"},
                {"role": "tool", "tool_call_id": "x", "content": "1"},
                {"role": "assistant", "content": "done"},
            ],
            "tools": [WEATHER],
        }
    )
    assert conversation.messages[0].content == "ab"
    assert conversation.loss == (False, False, False, False, True, False, False, True)
    assert [message.content for message in conversation.messages[5:7]] == ["1", "2"]
    assert conversation.messages[4].tool_calls[1].function.arguments == "{}"


def test_alpaca() -> None:
    row = {"instruction": "Add.", "input": "1 2", "output": "3", "system": "", "history": [["a", "b"]]}
    contents = [(message.role, message.content) for message in alpaca.convert(row).messages]
    assert contents == [("user", "a"), ("assistant", "b"), ("user", "Add.\n1 2"), ("assistant", "3")]


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("openai_messages", {"messages": "x"}, Reason.WRONG_SHAPE),
        ("openai_messages", {"messages": [1]}, Reason.WRONG_SHAPE),
        ("openai_messages", {"messages": [{"role": "user", "content": 3}]}, Reason.WRONG_SHAPE),
        (
            "openai_messages",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            Reason.WRONG_SHAPE,
        ),
        ("openai_messages", {"messages": [{"role": "robot", "content": "x"}]}, Reason.ROLES_ERROR),
        ("openai_messages", {"messages": [], "tools": "[{"}, Reason.PARSE_TOOLS),
        ("openai_messages", {"messages": [], "tools": {"name": "x"}}, Reason.PARSE_TOOLS),
        ("openai_messages", {"messages": [], "tools": [{"description": "x"}]}, Reason.PARSE_TOOLS),
        ("openai_messages", {"messages": [{"role": "assistant", "tool_calls": [{}]}]}, Reason.CALL_PARSE_ERROR),
        ("sharegpt", {"conversations": [{"from": "human", "value": 1}]}, Reason.WRONG_SHAPE),
        ("sharegpt", {"conversations": [{"from": "ape", "value": ""}]}, Reason.ROLES_ERROR),
        ("sharegpt", {"conversations": [{"from": "function_call", "value": "f(x)"}]}, Reason.CALL_PARSE_ERROR),
        ("sharegpt", {"conversations": [{"from": "function_call", "value": "[]"}]}, Reason.CALL_PARSE_ERROR),
        (
            "sharegpt",
            {"conversations": [{"from": "function_call", "value": '{"name": "a", "arguments": [1]}'}]},
            Reason.CALL_PARSE_ERROR,
        ),
        ("alpaca", {"instruction": "x"}, Reason.WRONG_SHAPE),
        ("alpaca", {"instruction": "x", "output": "y", "history": [["a"]]}, Reason.WRONG_SHAPE),
    ],
)
def test_what_cannot_be_converted_has_a_reason(name: str, row: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        FORMATS[name].bind(Path())(row)
    assert caught.value.reason == reason


near_rows = st.dictionaries(
    st.sampled_from(["messages", "conversations", "tools", "instruction", "input", "output", "system", "history"]),
    json_values
    | st.lists(
        st.dictionaries(
            st.sampled_from(["role", "from", "content", "value", "tool_calls", "function_call", "weight"]),
            json_values | st.sampled_from(["user", "assistant", "human", "gpt", "function_call", "observation"]),
            max_size=4,
        ),
        max_size=4,
    ),
    max_size=5,
)


def convert_or_reason(value: Any, name: str) -> Conversation | Reason:
    try:
        return convert_row(value, name)
    except ConversionError as error:
        return Reason(error.reason)


@given(value=json_values | near_rows, name=st.sampled_from(list(FORMATS)))
@settings(max_examples=400, deadline=None)
def test_any_json_converts_or_has_a_reason(value: Any, name: str) -> None:
    conversation = convert_or_reason(value, name)
    if isinstance(conversation, Conversation):
        assert Conversation.from_row(conversation.to_row()).messages == conversation.messages


@given(
    text=st.text() | near_rows.map(json.dumps), name=st.sampled_from(list(FORMATS)), problem=st.sampled_from(["", "x"])
)
@settings(deadline=None)
def test_a_row_is_kept_or_dropped(text: str, name: str, problem: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        problem = "broken"  # the reader lets nothing else through
    raw = {"source": "s", "split": "train", "row": 3, "format": name, "text": text, "problem": problem}
    result = check_row(raw)
    assert result["row"] == 3
    if "reason" in result:
        assert Reason(result["reason"])
        assert result["detail"]
    else:
        assert Conversation.from_row(result).id == result["id"]


def test_schema_order_reaches_nested_values() -> None:
    schema = {"properties": {"b": {"items": {"properties": {"x": {}, "y": {}}}}, "a": {}}}
    ordered = in_schema_order({"z": 1, "a": 2, "b": [{"y": 1, "x": 2}]}, schema)
    assert json.dumps(ordered) == '{"b": [{"x": 2, "y": 1}], "a": 2, "z": 1}'


@pytest.mark.parametrize(
    ("name", "form", "dropped"),
    [
        ("glaive_toolcall_en_demo.json", "sharegpt", {"schema_error": 1}),
        ("glaive_toolcall_zh_demo.json", "sharegpt", {"missing_required": 3, "schema_error": 2, "roles_error": 2}),
        ("alpaca_en_demo.json", "alpaca", {}),
        ("alpaca_zh_demo.json", "alpaca", {}),
    ],
)
def test_real_corpora_convert(shared: Callable[[str], Path], name: str, form: str, dropped: dict[str, int]) -> None:
    path = shared(f"corpora/llamafactory/{name}")
    rows = list(read_rows(path))
    assert detect_format([row.value for row in rows[:5]], path) == form
    reasons: dict[str, int] = {}
    for row in rows:
        raw = {"source": "s", "split": "t", "row": row.row, "format": form, "text": row.text, "problem": ""}
        reason = check_row(raw).get("reason")
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
    assert reasons == dropped

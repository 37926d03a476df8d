"""Readers, format detection and converters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation
from octupus.data.examine import Dropped, Kept, Rules, convert_row, examine_rows
from octupus.data.quality import QualityConfig
from octupus.data.reasons import Reason, Stage
from octupus.data.sources import alpaca, openai_messages, sharegpt
from octupus.data.sources.detect import detect_format
from octupus.data.sources.reader import RawRow, read_rows
from octupus.data.sources.registry import FORMATS, Convert
from octupus.data.sources.turns import in_schema_order
from octupus.errors import ConversionError, CorpusError
from tests.data.format_rows import ROWS, WEATHER, bound

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def rules(tokenizer_directory: Path) -> Rules:
    return Rules(str(tokenizer_directory), 16384, False, QualityConfig(), None)


@pytest.fixture(scope="module")
def converters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Convert]:
    directory = tmp_path_factory.mktemp("formats")
    return {name: bound(name, directory / name) for name in FORMATS}


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


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_in_spite_of_odd_rows(name: str) -> None:
    assert detect_format([None, {"x": 1}, ROWS[name], ROWS[name]], Path("c.json")) == name


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"messages": []}, "openai_messages"),
        ({"conversations": []}, "sharegpt"),
        ({"conversation": []}, "sharegpt"),
        ({"instruction": "", "output": ""}, "alpaca"),
    ],
)
def test_detection_by_keys_alone(row: dict[str, Any], name: str) -> None:
    assert detect_format([row], Path("c.json")) == name


def test_the_more_special_format_comes_first() -> None:
    """Rows that several formats recognise go to the first of them, and that is the one they were written for."""
    order = list(FORMATS)
    recognised = {name: [other for other in order if FORMATS[other].recognises(row)] for name, row in ROWS.items()}
    assert {name: found[0] for name, found in recognised.items()} == {name: name for name in order}
    shared = {pair for found in recognised.values() for pair in combinations(found, 2)}
    assert {special for special, general in shared if general == "sharegpt"} == {
        *("toolace", "hermes", "toolllama", "fc_zh_hard", "wildchat", "openhermes")
    }


def test_most_rows_decide() -> None:
    values = [ROWS["toolace"], *[{"conversations": []}] * 2]
    assert detect_format(values, Path("c.json")) == "sharegpt"


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


def converted_or_reason(value: Any, convert: Convert) -> tuple[Conversation, ...] | Reason:
    try:
        return convert_row(value, convert)
    except ConversionError as error:
        return Reason(error.reason)


@given(value=json_values | near_rows, name=st.sampled_from(list(FORMATS)))
@settings(max_examples=150, deadline=None)
def test_any_json_converts_or_has_a_reason(converters: dict[str, Convert], value: Any, name: str) -> None:
    outcome = converted_or_reason(value, converters[name])
    if isinstance(outcome, Reason):
        return
    assert outcome
    for conversation in outcome:
        assert Conversation.from_row(conversation.to_row()).messages == conversation.messages


@given(value=json_values | near_rows, name=st.sampled_from(list(FORMATS)), problem=st.sampled_from(["", "x"]))
@settings(max_examples=100, deadline=None)
def test_a_row_is_kept_or_dropped(
    converters: dict[str, Convert], rules: Rules, value: Any, name: str, problem: str
) -> None:
    outcomes = examine_rows([RawRow(3, value, json.dumps(value), problem)], converters[name], rules)
    assert outcomes
    for part, outcome in enumerate(outcomes):
        if isinstance(outcome, Dropped):
            assert (outcome.row, outcome.part) == (3, part)
            assert outcome.detail
            assert (outcome.stage == Stage.READ) == bool(problem)
        else:
            assert (outcome.conversation.row, outcome.conversation.part) == (3, part)
            assert len(outcome.rendered.ids) == len(outcome.rendered.trained)


@pytest.mark.parametrize("name", FORMATS)
def test_a_good_row_of_every_format_is_kept(converters: dict[str, Convert], rules: Rules, name: str) -> None:
    text = json.dumps(ROWS[name])
    outcomes = examine_rows([RawRow(0, ROWS[name], text)], converters[name], rules)
    if name == "bfcl":  # questions without answers, to be compared with, never to be trained on
        assert [(each.stage, each.reason) for each in outcomes if isinstance(each, Dropped)] == [
            (Stage.STRUCTURE, Reason.NO_ASSISTANT)
        ]
        return
    kinds = [each.conversation.kind for each in outcomes if isinstance(each, Kept)]
    several = {"oasst": ["chat", "chat"], "toolalpaca": ["single", "single"], "toolllama": ["multi_step"]}
    chat = ["chat"] if name in ("wildchat", "openhermes", "alpaca") else ["single"]
    assert kinds == several.get(name, chat)


def test_rows_that_are_no_objects_and_rows_without_conversations() -> None:
    with pytest.raises(ConversionError) as caught:
        convert_row([1], alpaca.convert)
    assert caught.value.reason == Reason.WRONG_SHAPE
    with pytest.raises(ConversionError) as caught:
        convert_row({}, lambda row: ())
    assert caught.value.reason == Reason.NO_ASSISTANT


def test_schema_order_reaches_nested_values() -> None:
    schema: dict[str, Any] = {"properties": {"b": {"items": {"properties": {"x": {}, "y": {}}}}, "a": {}}}
    ordered = in_schema_order({"z": 1, "a": 2, "b": [{"y": 1, "x": 2}]}, schema)
    assert json.dumps(ordered) == '{"b": [{"x": 2, "y": 1}], "a": 2, "z": 1}'


@pytest.mark.parametrize(
    ("name", "form", "flags"),
    [
        ("glaive_toolcall_en_demo.json", "sharegpt", {"masked_schema_error": 1}),
        (
            "glaive_toolcall_zh_demo.json",
            "sharegpt",
            {"masked_missing_required": 3, "masked_schema_error": 2, "cut_roles_error": 2},
        ),
        ("alpaca_en_demo.json", "alpaca", {}),
        ("alpaca_zh_demo.json", "alpaca", {}),
    ],
)
def test_real_corpora_convert(
    shared: Callable[[str], Path], rules: Rules, name: str, form: str, flags: dict[str, int]
) -> None:
    path = shared(f"corpora/llamafactory/{name}")
    rows = list(read_rows(path))
    assert detect_format([row.value for row in rows[:5]], path) == form
    convert = FORMATS[form].bind(path)
    outcomes = examine_rows(rows, convert, rules)
    assert all(isinstance(outcome, Kept) for outcome in outcomes)
    found = Counter(flag for each in outcomes if isinstance(each, Kept) for flag in each.conversation.flags)
    assert {flag: count for flag, count in found.items() if flag.startswith(("cut_", "masked_"))} == flags

"""Thousands of damaged rows of every format: each is kept or dropped with a reason, and none stops a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from octupus.data.block import BlockWriter
from octupus.data.examine import Dropped, Kept, Rules, examine_rows
from octupus.data.minhash import MinHasher
from octupus.data.quality import QualityConfig
from octupus.data.reasons import Reason, Stage
from octupus.data.sources.reader import read_block
from octupus.data.sources.registry import FORMATS
from octupus.data.sources.survey import survey
from octupus.data.store import Store, mapped_table
from tests.conftest import SHARED
from tests.data.format_rows import ROWS, bound

MUTATIONS = 5_000
SAMPLES = {
    "toolace": "toolace",
    "hermes_func_calling_singleturn": "hermes",
    "hermes_func_calling": "hermes",
    "hermes_glaive_func_calling": "hermes",
    "wildchat_1m": "wildchat",
    "openhermes25": "openhermes",
    "openhermes25_qwen_rewrite": "openhermes",
    "fc_zh_hard": "fc_zh_hard",
    "toolllama_G123_dfs_train": "toolllama",
    "glaive_function_calling_v2_raw": "glaive",
    "xlam_function_calling_60k": "xlam",
}
ODD_VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        3.5,
        10**30,
        10**4000,
        "",
        " ",
        "x",
        "\0",
        "\ud800",
        "a\udfffb",
        "null",
        "[",
        "{}",
        "[]",
    ),
    *([], {}, [[]], [None], {"": None}, {"role": "assistant"}, {"from": "gpt", "value": 3}, [{"name": "f"}] * 2),
    *({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}, {"$ref": "#"}, {"$ref": "#/$defs/absent"}),
    *(
        {
            "type": "object",
            "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}},
            "properties": {"a": {"$ref": "#/$defs/a"}},
        },
    ),
    *({"type": ["int", 3]}, {"properties": []}, {"required": "all"}, {"enum": None}, {"pattern": "(" * 30}),
]
ODD_TEXTS: list[str] = [
    "NaN",
    "-Infinity",
    "1e400",
    "9" * 5000,
    '"\\ud800"',
    '"\\u0000"',
    "[" * 1000 + "]" * 1000,
    "{" * 1000,
    "'x'",
]
ODD_PARTS: list[str] = [
    *"{}[]()<>'\"\\,:=#`\n\0",
    "\ud800",
    "\u2028",
    "1e400",
    "NaN",
    "None",
    "</tool_call>",
    "ASSISTANT:",
    "_" * 80,
]


def _seeds() -> list[tuple[str, str]]:
    """Formats and lines: the samples where they are, and rows of our own of every format."""
    seeds = [(name, json.dumps(row, ensure_ascii=False)) for name, row in ROWS.items()]
    for name, form in SAMPLES.items():
        path = SHARED / "corpora" / "samples" / f"{name}.jsonl"
        if path.is_file():
            seeds += [(form, line) for line in path.read_text("utf-8").split("\n") if line]
    return seeds


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    copy = value.copy()
    copy[path[0]] = _changed(value[path[0]], path[1:], change)
    return copy


def _in_json_text(random: Random, text: str, change: Callable[[Any], Any]) -> str:
    """The text with a place changed in the JSON it holds, as columns of tools and arguments do; else a damaged text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        place = random.randrange(len(text) + 1)
        return text[:place] + random.choice(ODD_PARTS) + text[place + random.randrange(3) :]
    return json.dumps(_changed(value, random.choice(list(_places(value))), change))


def _mutated(random: Random, line: str) -> bytes:
    """A line with one or two damages."""
    for _ in range(random.randint(1, 2)):
        line = random.choice(_DAMAGES)(random, line)
    data = line.encode("utf-8", "surrogatepass")
    if random.random() < 0.03:
        place = random.randrange(len(data) + 1)
        data = data[:place] + b"\xff\xc3\x28" + data[place:]
    return data


def _value_damage(random: Random, line: str) -> str:
    """Something replaced, taken out, doubled, or renamed."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line
    path = random.choice(list(_places(value)))

    def change(old: Any) -> Any:
        kind = random.randrange(6)
        if kind == 0 and isinstance(old, list) and old:
            return [*old, random.choice(old)] if random.random() < 0.5 else random.sample(old, len(old) - 1)
        if kind == 1 and isinstance(old, dict) and old:
            name = random.choice(list(old))
            return {(key if key != name else key + "s"): each for key, each in old.items()}
        if kind < 4 and isinstance(old, str):
            return _in_json_text(random, old, change)
        return random.choice(ODD_VALUES)

    return json.dumps(_changed(value, path, change), ensure_ascii=random.random() < 0.5)


def _truncation(random: Random, line: str) -> str:
    return line[: random.randrange(len(line) + 1)]


def _odd_text(random: Random, line: str) -> str:
    """A value replaced by text that is no JSON, or hardly."""
    places = [place for place, character in enumerate(line) if character == ":"]
    if not places:
        return random.choice(ODD_TEXTS)
    place = random.choice(places) + 1
    rest = line[place:].lstrip()
    end = min((at for at in map(rest.find, ",}]") if at >= 0), default=len(rest))
    return line[:place] + random.choice(ODD_TEXTS) + rest[end:]


def _duplicate_key(random: Random, line: str) -> str:
    keys = [place for place, character in enumerate(line) if character == "{"]
    if not keys:
        return line
    place = random.choice(keys) + 1
    start = line.find('"', place)
    end = line.find(",", start)
    return line[:place] + line[start:end] + "," + line[place:] if 0 <= start < end else line


def _odd_character(random: Random, line: str) -> str:
    place = random.randrange(len(line) + 1)
    return line[:place] + random.choice(ODD_PARTS) + line[place + random.randrange(2) :]


_DAMAGES = [_value_damage] * 6 + [_truncation, _odd_text, _duplicate_key, _odd_character]


def _lines(form: str, seeds: list[tuple[str, str]], count: int) -> list[bytes]:
    random = Random(form)
    own = [line for name, line in seeds if name == form]
    lines = [_mutated(random, own[number % len(own)]).replace(b"\n", b" ") for number in range(count)]
    deep = '{"a":' * 1000 + "1" + "}" * 1000
    lines += [
        line.encode() for line in (deep, json.dumps({"messages": 1, "conversations": 1, "conversation": 1}), *own)
    ]
    return lines


def _rules(tokenizer_directory: Path) -> Rules:
    quality = QualityConfig(languages=("en", "zh"), ungrounded="mask", refusals="mask")
    return Rules(str(tokenizer_directory), 4096, True, quality, None)


def _check(outcome: Kept | Dropped) -> None:
    if isinstance(outcome, Dropped):
        assert isinstance(outcome.reason, Reason)
        assert isinstance(outcome.stage, Stage)
        assert outcome.detail
        (outcome.detail + outcome.excerpt).encode("utf-8")
    else:
        assert any(outcome.rendered.trained)
        assert len(outcome.rendered.ids) == len(outcome.rendered.trained) <= 4096


def _run(form: str, path: Path, tokenizer_directory: Path) -> tuple[int, pa.Table]:
    """How many rows the file has, and the index that their block gives."""
    rules = _rules(tokenizer_directory)
    store = Store(path.parent / "store")
    store.directory.mkdir()
    writer = BlockWriter(store, (("s", "train"),), MinHasher(), augment=True)
    convert = bound(form, path.parent / "companions")
    outcomes: list[Kept | Dropped] = []
    read = 0
    for block in survey(path, 100):
        for raw in read_block(block):
            assert raw.row == read
            read += 1
            made = examine_rows([raw], convert, rules)
            assert made
            outcomes += made
    for outcome in outcomes:
        _check(outcome)
    table = writer.write(0, [0] * len(outcomes), outcomes)
    with mapped_table(store.rows_file(0)) as kept, mapped_table(store.drops_file(0)) as dropped:
        assert len(kept) + len(dropped) == len(outcomes) == len(table)
    return read, table


@pytest.mark.parametrize("form", FORMATS)
def test_no_damaged_row_stops_a_run(tmp_path: Path, tokenizer_directory: Path, form: str) -> None:
    lines = _lines(form, _seeds(), -(-MUTATIONS // len(FORMATS)))
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    read, table = _run(form, path, tokenizer_directory)
    assert read == sum(bool(line.strip()) for line in lines)
    assert sorted(set(table["row"].to_pylist())) == list(range(read))
    reasons = table["reason"].to_pylist()
    assert Reason.BROKEN_JSON in reasons
    assert len(set(reasons)) >= 4
    if form != "bfcl":  # which holds questions alone
        assert reasons.count(None) > 10  # the damage is not such that nothing gets far


@pytest.mark.parametrize("form", ["openai_messages", "hermes", "toolace", "glaive"])
def test_a_line_of_ten_megabytes(tmp_path: Path, tokenizer_directory: Path, form: str) -> None:
    text = json.dumps(ROWS[form])
    half = len(text) // 2
    huge = [text[:half] + "x" * 10_000_000 + text[half:], text[:half] + '"\\' * 5_000_000, "[" * 10_000_000]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([text, *huge, text]))
    read, table = _run(form, path, tokenizer_directory)
    assert read == 5
    reasons = table["reason"].to_pylist()
    assert reasons[0] is reasons[4] is None
    assert reasons[2] == reasons[3] == Reason.BROKEN_JSON

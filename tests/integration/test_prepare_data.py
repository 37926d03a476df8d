"""The whole preparation on a local Ray instance, and the job's command line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from octupus.chat.registry import model_chat
from octupus.chat.render import render
from octupus.conversation import Conversation
from octupus.data.accounting import NothingKeptError
from octupus.data.config import PrepareConfig
from octupus.data.manifest import Manifest, check_tokenizer, read_manifest, verify
from octupus.data.pipeline import prepare
from octupus.data.reasons import Reason, Stage
from octupus.errors import CorpusError, ManifestError

JOB = Path(__file__).parents[2] / "jobs" / "prepare_data.py"
WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "dict", "properties": {"city": {"type": "str"}}, "required": ["city"]},
}


pytestmark = pytest.mark.usefixtures("private_ray")


def chat_row(number: int) -> dict[str, Any]:
    return {"instruction": f"Say {number}.", "input": "", "output": f"{number}: " + "la " * (number % 17)}


def call_row(number: int, name: str = "get_weather", **arguments: Any) -> dict[str, Any]:
    call = json.dumps({"name": name, "arguments": arguments or {"city": f"City {number}"}})
    turns = [("human", f"天气 {number}？"), ("function_call", call), ("observation", "sunny"), ("gpt", "晴天。")]
    return {"conversations": [{"from": role, "value": value} for role, value in turns], "tools": json.dumps([WEATHER])}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("corpora")
    chat = [chat_row(number) for number in range(60)]
    chat += [chat_row(3), {"instruction": "long", "output": "x " * 2000}, {"instruction": "\ud800", "output": "half"}]
    (directory / "chat.json").write_text(json.dumps(chat, indent=1))
    calls = [json.dumps(call_row(number)) for number in range(40)]
    calls[7:7] = [
        json.dumps(call_row(100, town="Rome")),
        '{"conversations": [',
        json.dumps(call_row(101, name="get_time")),
        json.dumps(call_row(5)),
        "[]",
    ]
    (directory / "calls.jsonl").write_text("\n".join(calls) + "\n")
    return directory


@pytest.fixture
def configuration(corpora: Path, tokenizer_directory: Path, tmp_path: Path) -> Callable[..., PrepareConfig]:
    def make(output: str = "out", **changes: Any) -> PrepareConfig:
        values: dict[str, Any] = {
            "model": tokenizer_directory,
            "output": tmp_path / output,
            "sources": [
                {"name": "chat", "path": corpora / "chat.json"},
                {"name": "calls", "path": corpora / "calls.jsonl"},
            ],
            "token_budget": 512,
            "packs_per_shard": 4,
            "on_broken_line": "drop",
        }
        return PrepareConfig.model_validate(values | changes)

    return make


def shard_hashes(manifest: Manifest) -> list[str]:
    return [shard.sha256 for shard in manifest.shards]


def test_everything_is_counted_and_written(configuration: Callable[..., PrepareConfig]) -> None:
    config = configuration()
    manifest = prepare(config)
    counts = manifest.sources
    assert counts["chat"].dropped == {"duplicate": 1, "lone_surrogate": 1, "too_long": 1}
    assert counts["calls"].dropped == {
        "broken_json": 1,
        "duplicate": 1,
        "unknown_tool": 1,
        "wrong_shape": 1,
    }
    assert manifest.flags == {"masked_missing_required": 1}
    assert (counts["chat"].read, counts["chat"].kept) == (63, 60)
    assert (counts["calls"].rows, counts["calls"].read, counts["calls"].kept) == (45, 45, 41)
    assert manifest.kinds == {"chat": 60, "single": 41}
    assert manifest.languages == {"en": 60, "zh": 41}
    assert manifest.conversations == 101

    assert read_manifest(config.output) == manifest
    verify(config.output, manifest)
    chat = model_chat(config.model)
    check_tokenizer(manifest, chat.tokenizer)
    records = [Conversation.from_row(row) for row in pq.read_table(config.output / "records").to_pylist()]
    assert len(records) == 101
    expected = Counter(
        (tuple(rendered.ids), tuple(rendered.trained))
        for rendered in (render(record, chat.dialect, chat.tokenizer) for record in records)
    )
    found: Counter[tuple[tuple[int, ...], tuple[bool, ...]]] = Counter()
    packs = [row for shard in manifest.shards for row in pq.read_table(config.output / shard.file).to_pylist()]
    for row in packs:
        assert sum(row["lengths"]) == len(row["input_ids"]) == len(row["trained"]) <= 512
        start = 0
        for length in row["lengths"]:
            found[tuple(row["input_ids"][start : start + length]), tuple(row["trained"][start : start + length])] += 1
            start += length
    assert found == expected
    assert manifest.tokens == sum(len(row["input_ids"]) for row in packs)
    assert manifest.trained_tokens == sum(sum(row["trained"]) for row in packs)
    assert manifest.packs == len(packs)

    drops = pq.read_table(config.output / "drops.parquet").to_pylist()
    assert [(drop["source"], drop["row"], drop["reason"]) for drop in drops] == [
        ("chat", 60, "duplicate"),
        ("chat", 61, "too_long"),
        ("chat", 62, "lone_surrogate"),
        ("calls", 8, "broken_json"),
        ("calls", 9, "unknown_tool"),
        ("calls", 10, "duplicate"),
        ("calls", 11, "wrong_shape"),
    ]
    assert all(Reason(drop["reason"]) and Stage(drop["stage"]) and drop["detail"] for drop in drops)
    assert drops[0]["detail"] == "same as chat:train row 3"
    assert "calls.jsonl:9:" in drops[3]["detail"]
    assert "unknown_tool" in (config.output / "report.html").read_text("utf-8")
    assert json.loads((config.output / "run.json").read_text())["config"]["token_budget"] == 512
    assert [path.name for path in config.output.parent.iterdir()] == ["out"]


def test_the_same_bytes_at_any_parallelism(configuration: Callable[..., PrepareConfig]) -> None:
    mixed = {"mixture": [{"source": "chat", "ratio": 1.5}, {"source": "calls", "ratio": 0.3}]}
    outputs = []
    for name, rows_per_block in (("one", 1000), ("many", 7)):
        config = configuration(name, **mixed)
        manifest = prepare(config, rows_per_block=rows_per_block)
        assert manifest.conversations == 60 + 30 + 12
        files = sorted(path.name for path in config.output.glob("*.parquet"))
        outputs.append({file: (config.output / file).read_bytes() for file in files})
        outputs[-1]["manifest.json"] = (config.output / "manifest.json").read_bytes()
    assert outputs[0] == outputs[1]
    assert shard_hashes(prepare(configuration("seed", seed=43, **mixed))) != shard_hashes(manifest)


def test_finished_data_is_reused_unless_something_changed(
    configuration: Callable[..., PrepareConfig],
    corpora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copied = tmp_path / "chat.json"
    copied.write_bytes((corpora / "chat.json").read_bytes())
    sources = [{"name": "chat", "path": copied}]
    monkeypatch.setattr(logging.getLogger("octupus"), "propagate", True)
    caplog.set_level(logging.INFO, "octupus")

    def reused(**changes: Any) -> bool:
        caplog.clear()
        prepare(configuration(**{"sources": sources} | changes))
        return any(record.message.startswith("reused ") for record in caplog.records)

    assert not reused()
    assert reused()
    assert reused(num_cpus=1)
    assert not reused(seed=7)
    copied.write_text(json.dumps([chat_row(1)]))
    assert not reused(seed=7)
    assert reused(seed=7)
    next(configuration().output.glob("packs-*")).write_bytes(b"damaged")
    assert not reused(seed=7)


def test_failures_leave_no_output(configuration: Callable[..., PrepareConfig], tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"calls\.jsonl:9:\d+: .*--on_broken_line drop"):
        prepare(configuration(on_broken_line="stop"))
    with pytest.raises(NothingKeptError, match="too_long"):
        prepare(configuration(token_budget=3))
    with pytest.raises(NothingKeptError, match="raise its ratios"):
        prepare(configuration(mixture=[{"source": "chat", "ratio": 0.001}]))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(ManifestError, match="no prepared data"):
        prepare(configuration())


def test_real_corpora(configuration: Callable[..., PrepareConfig], shared: Callable[[str], Path]) -> None:
    names = ("glaive_toolcall_en_demo", "glaive_toolcall_zh_demo", "alpaca_en_demo")
    sources = [{"name": name, "path": shared(f"corpora/llamafactory/{name}.json")} for name in names]
    manifest = prepare(configuration(sources=sources, token_budget=16384))
    dropped = [manifest.sources[name].dropped for name in names]
    assert dropped == [{"duplicate": 27, "near_duplicate": 4}, {"duplicate": 31, "near_duplicate": 1}, {"duplicate": 10}]
    mended = {flag: count for flag, count in manifest.flags.items() if flag.startswith(("cut_", "masked_"))}
    assert mended == {"cut_roles_error": 2, "masked_missing_required": 2, "masked_schema_error": 2}
    assert manifest.fill > 0.9


def run_job(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(JOB), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_help_loads_neither_ray_nor_torch() -> None:
    started = time.monotonic()
    answer = run_job("--help")
    assert answer.returncode == 0
    assert "--token_budget" in answer.stdout
    assert time.monotonic() - started < 10
    probe = "import sys, octupus.data.config; print(sorted({'ray', 'torch', 'pyarrow'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_example_file_is_a_valid_configuration() -> None:
    answer = run_job("--dry-run")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["token_budget"] == 4096


def test_an_error_is_one_line_and_exits_2(configuration: Callable[..., PrepareConfig], tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(configuration(on_broken_line="stop").model_dump_json())
    answer = run_job(str(file))
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in answer.stderr


def test_the_job_runs_on_a_ray_instance_of_its_own(configuration: Callable[..., PrepareConfig], tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(configuration("job", num_cpus=1).model_dump_json())
    answer = run_job(str(file))
    assert answer.returncode == 0, answer.stderr
    assert shard_hashes(read_manifest(tmp_path / "job")) == shard_hashes(prepare(configuration("here")))

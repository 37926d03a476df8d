"""The whole preparation on a local Ray instance, and the job's command line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from octupus.chat.registry import model_chat
from octupus.chat.render import render
from octupus.conversation import Conversation
from octupus.data.accounting import NothingKeptError
from octupus.data.config import PrepareConfig
from octupus.data.manifest import Manifest, check_tokenizer, read_manifest, verify
from octupus.data.pipeline import count_mixture, prepare
from octupus.data.reasons import Reason, Stage
from octupus.errors import CorpusError, ManifestError, OutputError

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


EVERYTHING: dict[str, Any] = {
    "mixture": [{"source": "chat", "ratio": 1.5}, {"source": "calls", "ratio": 0.3}],
    "held_out_rows": 5,
    "calls_per_tool": 30,
    "augment": {"irrelevance": 0.5, "name_masking": 0.5, "distractors": 0.5, "tool_order": 0.5, "merge_calls": 1.0},
}


def output_bytes(config: PrepareConfig) -> dict[str, bytes]:
    files = [*config.output.rglob("*.parquet"), config.output / "manifest.json"]
    return {file.relative_to(config.output).as_posix(): file.read_bytes() for file in files}


def test_the_same_bytes_at_any_parallelism(configuration: Callable[..., PrepareConfig]) -> None:
    outputs = []
    for name, rows_per_block in (("one", 1000), ("many", 7), ("killed", 1)):
        config = configuration(name, **EVERYTHING)
        with killed_workers(2 if name == "killed" else 0) as killed:
            manifest = prepare(config, rows_per_block=rows_per_block)
        assert len(killed) == (2 if name == "killed" else 0)
        outputs.append(output_bytes(config))
    assert sorted(outputs[0]) == sorted(outputs[1])
    assert outputs[0] == outputs[1] == outputs[2]
    assert all(counts.made == counts.kept + sum(counts.dropped.values()) for counts in manifest.augmented.values())
    assert set(manifest.augmented) == {"irrelevance", "distractors", "merge_calls"}  # what fits one bare tool
    assert manifest.sources["calls"].dropped["capped"] == 11
    assert len(pq.read_table(config.output / "held_out.parquet")) == 10
    assert shard_hashes(prepare(configuration("seed", seed=43, **EVERYTHING))) != shard_hashes(manifest)


@contextmanager
def killed_workers(count: int) -> Iterator[list[int]]:
    """SIGKILL for `count` Ray workers while they run tasks of Ray Data."""
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        while len(killed) < count and not stop.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if "MapBatches" in "".join(process.cmdline()) and process.pid not in killed:
                        process.kill()
                        killed.append(process.pid)
                        break

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()


def test_a_killed_run_leaves_nothing_that_looks_finished(
    configuration: Callable[..., PrepareConfig], tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(configuration(num_cpus=1).model_dump_json())
    # In a session of its own, so that its Ray processes can be ended with it.
    command = [sys.executable, str(JOB), str(file)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as job:
        partial = await_path(tmp_path, ".out.partial-*/blocks/*.arrow")
        job.kill()
    assert not (tmp_path / "out").exists()
    assert partial.parents[1].exists()
    manifest = prepare(configuration())
    verify(tmp_path / "out", manifest)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.yaml", "out"]


def await_path(directory: Path, pattern: str) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = next(directory.glob(pattern), None)
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{pattern} did not appear in {directory}")


def test_a_full_disk_is_told_and_leaves_no_output(configuration: Callable[..., PrepareConfig], tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine lets no file system be mounted")
    try:
        with pytest.raises(OutputError, match=r"No space left on device.*free space or choose another output"):
            prepare(configuration().model_copy(update={"output": small / "out"}))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_contaminated_rows_are_dropped(configuration: Callable[..., PrepareConfig], tmp_path: Path) -> None:
    evaluation = tmp_path / "BFCL_v4_simple.json"
    question = "Please tell me in which of the two cities it will rain tomorrow"
    row = {"id": "simple_0", "question": [[{"role": "user", "content": question}]], "function": []}
    evaluation.write_text(json.dumps(row) + "\n")
    corpus = tmp_path / "chat.jsonl"
    rows = [{"instruction": text, "output": "In Rome."} for text in (question.upper(), "Will it rain?")]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = prepare(
        configuration(
            sources=[{"name": "chat", "path": corpus}], evaluation_sets=[{"path": tmp_path / "BFCL_v4_*.json"}]
        )
    )
    assert manifest.sources["chat"].dropped == {"contaminated": 1}
    drop = pq.read_table(tmp_path / "out" / "drops.parquet").to_pylist()[0]
    assert (drop["row"], drop["stage"]) == (0, "contamination")
    assert "BFCL_v4_simple.json" in drop["detail"]
    assert str(evaluation) in [file.path for file in manifest.inputs]


def test_the_mixture_can_be_counted_without_writing(
    configuration: Callable[..., PrepareConfig], tmp_path: Path
) -> None:
    mixture = tmp_path / "stage.conf"
    mixture.write_text("chat:train:1.5\n\ncalls:train:0.3  # some calls\n")
    config = configuration(mixture_file=mixture, count_mixture=True)
    lines = count_mixture(config)
    assert [(line.source, line.ratio, line.conversations) for line in lines] == [("chat", 1.5, 90), ("calls", 0.3, 12)]
    assert list(tmp_path.iterdir()) == [mixture]
    prepared = prepare(config)
    assert prepared.mixture == lines
    assert sum(line.tokens for line in lines) == prepared.tokens
    assert sum(line.trained_tokens for line in lines) == prepared.trained_tokens
    file = tmp_path / "job.yaml"
    file.write_text(config.model_dump_json())
    answer = run_job(str(file))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0].split() == [
        "source",
        "split",
        "ratio",
        "conversations",
        "tokens",
        "trained",
        "tokens",
    ]
    assert answer.stdout.splitlines()[-1].split()[:2] == ["total", "102"]


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
    assert dropped == [
        {"duplicate": 27, "near_duplicate": 4},
        {"duplicate": 31, "near_duplicate": 2},
        {"duplicate": 10},
    ]
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

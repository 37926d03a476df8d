"""Rows per second of data preparation, its growth and its memory, beside `datasets.map` of the same functions.

    pip install -e '.[benchmarks]'
    python benchmarks/data_throughput.py --tokenizer DIRECTORY [--rows 10000 100000] [--cpus 2]

DIRECTORY holds a tokenizer.json, such as Qwen's. Both sides read the same .jsonl. `datasets.map` converts, repairs,
checks, judges, tokenises and sketches each row, with as many processes as octupus has CPUs, and writes its cache;
octupus does that, finds duplicates and near duplicates, mixes, packs, writes shards, records, drops and the report.
Memory is what all processes of a side hold at once: anonymous pages and shared memory, without mapped files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from generated_corpus import write_corpus, write_model

TOKEN_BUDGET = 4096


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--brief", action="store_true", help="rows of a sentence or two, to see growth and memory")
    parser.add_argument("--compare-to", type=int, default=100_000, help="most rows that datasets.map is run on")
    parser.add_argument("--side", choices=["octupus", "datasets"], help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        seconds = {"octupus": run_octupus, "datasets": run_datasets}[arguments.side](
            arguments.directory, arguments.cpus
        )
        print(json.dumps(seconds))
        return
    print(f"{'rows':>9}  {'side':<9} {'seconds':>8} {'rows/s':>8} {'peak MiB':>9}  ratio")
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch)
            write_corpus(directory / "corpus.jsonl", rows, brief=arguments.brief)
            write_model(directory / "model", arguments.tokenizer)
            speeds = {}
            for side in ("octupus", "datasets"):
                if side == "datasets" and rows > arguments.compare_to:
                    continue
                seconds, peak = measured(side, directory, arguments.cpus, arguments.tokenizer)
                speeds[side] = rows / seconds
                ratio = f"{speeds['octupus'] / speeds['datasets']:.2f}" if len(speeds) == 2 else ""
                print(f"{rows:>9}  {side:<9} {seconds:>8.1f} {rows / seconds:>8.0f} {peak:>9.0f}  {ratio}", flush=True)


def measured(side: str, directory: Path, cpus: int, tokenizer: Path) -> tuple[float, float]:
    """Seconds of work without start-up, and MiB at the peak of all processes."""
    command = [sys.executable, __file__, "--side", side, "--directory", str(directory), "--cpus", str(cpus)]
    command += ["--tokenizer", str(tokenizer)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
        watcher.start()
        answer, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{side} failed with exit code {process.returncode}")
    return json.loads(answer.splitlines()[-1]), peak[0]


def _watch(pid: int, peak: list[float]) -> None:
    while psutil.pid_exists(pid):
        try:
            processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        peak[0] = max(peak[0], sum(_held(process.pid) for process in processes))
        time.sleep(2)  # often enough for minutes of work; reading takes a tenth of a second


def _held(pid: int) -> float:
    """MiB of anonymous and shared memory that fall to a process."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    values = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return (values.get("Pss_Anon:", 0) + values.get("Pss_Shmem:", 0)) / 1024


def run_octupus(directory: Path, cpus: int) -> float:
    """Seconds of `prepare`."""
    from octupus.data.config import PrepareConfig, SourceConfig
    from octupus.data.pipeline import prepare
    from octupus.ray_session import ray_session

    config = PrepareConfig(
        model=directory / "model",
        output=directory / "prepared",
        sources=(SourceConfig(name="generated", path=directory / "corpus.jsonl", format="openai_messages"),),
        token_budget=TOKEN_BUDGET,
    )
    with ray_session(cpus):
        started = time.perf_counter()
        manifest = prepare(config)
        seconds = time.perf_counter() - started
    counts = manifest.sources["generated"]
    print(f"kept {counts.kept}, dropped {counts.dropped}, fill {manifest.fill:.4f}", file=sys.stderr)
    return seconds


def run_datasets(directory: Path, cpus: int) -> float:
    """Seconds of the same functions of single rows in `datasets.map`."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets

    started = time.perf_counter()
    # Not a method or closure: what map runs is pickled by dill and hashed.
    lines = datasets.load_dataset(
        "text", data_files=str(directory / "corpus.jsonl"), split="train", cache_dir=str(directory / "cache")
    )
    lines.map(
        mapped,
        batched=True,
        batch_size=1000,
        with_indices=True,
        num_proc=cpus,
        remove_columns=["text"],
        fn_kwargs={"model": str(directory / "model")},
    )
    return time.perf_counter() - started


def mapped(batch: dict[str, list[str]], indices: list[int], model: str) -> dict[str, list[object]]:
    """A batch of lines to what the first pass makes of them."""
    import numpy as np

    from octupus.data.caps import tools_called
    from octupus.data.examine import Kept, Rules, examine_rows
    from octupus.data.minhash import MinHasher, conversation_text
    from octupus.data.quality import QualityConfig
    from octupus.data.sources.reader import RawRow
    from octupus.data.sources.registry import FORMATS
    from octupus.schema.census import keywords
    from octupus.schema.validation import parse_json

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    rules = Rules(model, TOKEN_BUDGET, False, QualityConfig(), None)
    convert = FORMATS["openai_messages"].bind(Path())
    rows = [RawRow(row, parse_json(text), text) for row, text in zip(indices, batch["text"], strict=True)]
    outcomes = examine_rows(rows, convert, rules)
    kept = [outcome for outcome in outcomes if isinstance(outcome, Kept)]
    hasher = MinHasher()
    signatures = hasher.signatures([conversation_text(each.conversation) for each in kept])
    records = [each.conversation.to_row() for each in kept]
    columns: dict[str, list[object]] = {name: [record[name] for record in records] for name in records[0]}
    columns["ids"] = [np.array(each.rendered.ids, np.int32) for each in kept]
    columns["trained"] = [np.array(each.rendered.trained, np.bool_) for each in kept]
    columns["bands"] = [bands.tobytes() for bands in hasher.bands(signatures)]
    columns["sketch"] = [sketch.tobytes() for sketch in signatures.astype(np.uint8)]
    columns["calls"] = [list(tools_called(each.conversation)) for each in kept]
    columns["keywords"] = [
        sum(sum(keywords(tool.function.parameters).values()) for tool in each.conversation.tools) for each in kept
    ]
    return columns


if __name__ == "__main__":
    main()

"""The same bytes whatever the parallelism: 1 and 2 CPUs, three sizes of blocks, and workers killed three times a run.

    python benchmarks/reproducible_shards.py --tokenizer DIRECTORY [--rows 6000]

Nine runs over one generated corpus with every step on, augmentation included; the sha256 of all output files of each
run, and whether they are equal. In runs with kills, worker processes of Ray get SIGKILL while they examine rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import psutil
import ray
from generated_corpus import write_corpus, write_model

from octupus.data.augment.config import AugmentConfig
from octupus.data.config import MixtureEntry, PrepareConfig, SourceConfig
from octupus.data.pipeline import prepare

RUNS = [(cpus, block, 0) for cpus in (1, 2) for block in (1000, 333, 50)] + [(2, 100, 3), (2, 250, 3), (1, 100, 3)]


def main() -> None:
    """Print a line a run; exit 1 unless all are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=6000)
    arguments = parser.parse_args()
    found = set()
    print(f"{'CPUs':>4} {'block':>6} {'kills':>6} {'seconds':>8}  sha256 of all files")
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        write_corpus(directory / "corpus.jsonl", arguments.rows)
        write_model(directory / "model", arguments.tokenizer)
        for number, (cpus, block, kills) in enumerate(RUNS):
            config = configuration(directory, directory / f"run{number}")
            os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False)
            killed: list[int] = []
            killer = threading.Thread(target=kill_workers, args=(kills, killed), daemon=True)
            started = time.perf_counter()
            killer.start()
            prepare(config, rows_per_block=block)
            seconds = time.perf_counter() - started
            ray.shutdown()
            if len(killed) != kills:
                raise SystemExit(f"only {len(killed)} of {kills} workers could be killed; raise --rows")
            found.add(files_sha256(config.output))
            print(f"{cpus:>4} {block:>6} {kills:>6} {seconds:>8.1f}  {files_sha256(config.output)}", flush=True)
    print("equal" if len(found) == 1 else "DIFFERENT")
    raise SystemExit(len(found) != 1)


def configuration(directory: Path, output: Path) -> PrepareConfig:
    """Every step on."""
    source = SourceConfig(name="generated", path=directory / "corpus.jsonl", format="openai_messages")
    return PrepareConfig(
        model=directory / "model",
        output=output,
        sources=(source,),
        mixture=(MixtureEntry(source="generated", ratio=1.3),),
        held_out_rows=20,
        calls_per_tool=200,
        augment=AugmentConfig(irrelevance=0.1, distractors=0.1, tool_order=0.1, merge_calls=0.1, name_masking=0.1),
        token_budget=2048,
        packs_per_shard=64,
    )


def kill_workers(count: int, killed: list[int]) -> None:
    """Kill `count` Ray workers one after the other while they run tasks of the first pass."""
    while len(killed) < count:
        time.sleep(0.3)
        for process in psutil.Process().children(recursive=True):
            try:
                busy = "MapBatches" in "".join(process.cmdline()) and process.pid not in killed
                if busy:
                    os.kill(process.pid, signal.SIGKILL)
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
            if busy:
                killed.append(process.pid)
                break


def files_sha256(output: Path) -> str:
    """Of the names and bytes of all parquet files and of the manifest's counts."""
    digest = hashlib.sha256()
    for file in sorted(output.rglob("*.parquet")):
        digest.update(str(file.relative_to(output)).encode() + hashlib.sha256(file.read_bytes()).digest())
    manifest = json.loads((output / "manifest.json").read_text())
    digest.update(json.dumps(manifest, sort_keys=True).encode())
    return digest.hexdigest()[:32]


if __name__ == "__main__":
    main()

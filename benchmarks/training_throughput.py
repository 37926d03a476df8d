"""Real tokens a second of octupus's training loop beside transformers' Trainer, padded and packed.

    pip install -e '.[benchmarks]'
    python benchmarks/training_throughput.py [--rounds 2] [--steps 8]

One model (19M parameters, random weights), one set of documents (185 tokens on average, half of them trained), float32,
ZeRO-2, PyTorch's fused AdamW, gradient clipping, two workers of one thread each. In every round each runner trains in
processes of its own: octupus on Ray Train; the same loop without Ray, started by torchrun; and the Trainer, started by
torchrun, with the same packs and with batches padded to their longest document. Steps 3 to STEPS are counted.

Real tokens are those of documents, without padding. CPU seconds and peak memory are taken from outside in the same way
for all: the CPU time of all processes of a runner between the ends of two steps, and the largest resident set of a
worker. The script fails when octupus and the packed Trainer differ in any step's loss by more than 1e-3.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from generated_packs import BUDGET, Document, generate_documents, pack_documents, write_model, write_prepared

from octupus.train.config import DataConfig, EngineConfig, OptimizerConfig, RunConfig, ScalingConfig, StageConfig
from octupus.train.engine.deepspeed_config import deepspeed_config
from octupus.train.packs.order import PackPlan

WORKERS = 2
LEARNING_RATE = 1e-4
DOCUMENTS = 2000
MEAN_LENGTH = 185.0
PADDED_BATCH = 6
"""Documents of a padded batch: about as many tokens as a pack has."""
FIRST_COUNTED = 3
"""The first steps fill caches and set memory up."""
LOSS_TOLERANCE = 1e-3
TRAINER = Path(__file__).with_name("training_throughput_trainer.py")


@dataclass(frozen=True)
class Task:
    """What a round's runners have in common."""

    directory: Path
    model: Path
    prepared: Path
    documents: list[Document]
    packs: list[list[Document]]
    steps: int
    accumulation: int

    @property
    def plan(self) -> PackPlan:
        """Which packs a step trains."""
        return PackPlan(seed=0, packs=len(self.packs), packs_per_step=WORKERS * self.accumulation)

    def stage(self, scratch: Path) -> StageConfig:
        """The stage that octupus trains. Its last step, which writes a checkpoint, comes after those that count."""
        return StageConfig(
            run=RunConfig(name="run", storage=str(scratch)),
            model=self.model,
            data=DataConfig(
                directory=self.prepared, packs_per_step=self.plan.packs_per_step, steps=self.steps + 1, seed=0
            ),
            optimizer=OptimizerConfig(lr=LEARNING_RATE, min_lr=LEARNING_RATE, warmup_steps=0),
            engine=EngineConfig(dtype="float32"),
            scaling=ScalingConfig(workers=WORKERS, max_failures=0),
        )


@dataclass
class Watched:
    """What was seen of a runner from outside."""

    lines: list[dict[str, Any]]
    """Its steps: step, loss, tokens, slots, step_s."""
    cpu_s: list[float] = field(default_factory=list)
    """CPU seconds of all its processes when the end of each step was seen."""
    peaks: dict[int, int] = field(default_factory=dict)
    """Largest resident set of each process so far, bytes."""


@dataclass(frozen=True)
class Result:
    """One runner in one round: its counted steps, FIRST_COUNTED to the last but one."""

    tokens: list[int]
    """By step."""
    seconds: list[float]
    fill: float
    tokens_per_cpu_s: float
    peak_bytes: int
    """Of the largest worker."""
    losses: list[float]
    """Of all steps."""

    @classmethod
    def of(cls, watched: Watched, steps: int) -> Result:
        """Of the steps that were watched those up to `steps` count."""
        counted = watched.lines[FIRST_COUNTED - 1 : steps]
        tokens = [line["tokens"] for line in counted]
        return cls(
            tokens=tokens,
            seconds=[line["step_s"] for line in counted],
            fill=sum(tokens) / sum(line["slots"] for line in counted),
            tokens_per_cpu_s=sum(tokens) / (watched.cpu_s[steps - 1] - watched.cpu_s[FIRST_COUNTED - 2]),
            peak_bytes=max(watched.peaks.values()),
            losses=[line["loss"] for line in watched.lines],
        )

    @property
    def tokens_per_s(self) -> float:
        """Over all counted steps."""
        return sum(self.tokens) / sum(self.seconds)

    @property
    def median_tokens_per_s(self) -> float:
        """Of the counted steps."""
        return median(tokens / seconds for tokens, seconds in zip(self.tokens, self.seconds, strict=True))


def main() -> None:
    """Print a line for each run and the table of all rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--accumulation", type=int, default=1, help="packs, or padded batches, of a worker and step")
    parser.add_argument("--runners", nargs="+", choices=RUNNERS, default=list(RUNNERS))
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--without-ray", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage is not None:
        train_stage_file(arguments.stage, arguments.without_ray)
        return
    with tempfile.TemporaryDirectory(prefix="octupus_throughput_") as scratch:
        task = make_task(Path(scratch), arguments.steps, arguments.accumulation)
        results: dict[str, list[Result]] = {name: [] for name in arguments.runners}
        for round_number in range(arguments.rounds):
            turn = round_number % len(arguments.runners)  # each has every place in turn, as a machine's load may drift
            for name in [*arguments.runners[turn:], *arguments.runners[:turn]]:
                directory = task.directory / f"round_{round_number}_{list(RUNNERS).index(name)}"
                directory.mkdir()
                load = os.getloadavg()[0]
                result = Result.of(RUNNERS[name](task, directory), task.steps)
                results[name].append(result)
                print(
                    f"round {round_number + 1}  {name:<16} {result.tokens_per_s:>6.0f} tokens/s  load before "
                    f"{load:.1f}, after {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
            require_same_losses(results)
    print_table(results)


def make_task(directory: Path, steps: int, accumulation: int) -> Task:
    """The model and the data, in `directory`."""
    documents = generate_documents(DOCUMENTS, MEAN_LENGTH)
    packs = pack_documents(documents)
    model = write_model(directory / "start")
    prepared = write_prepared(directory / "prepared", packs, model)
    return Task(directory, model, prepared, documents, packs, steps, accumulation)


def octupus_on_ray(task: Task, scratch: Path) -> Watched:
    """The whole of what a user starts."""
    return octupus([sys.executable, __file__], task, scratch)


def octupus_without_ray(task: Task, scratch: Path) -> Watched:
    """The loop alone, in workers that torchrun starts."""
    return octupus([*torchrun(), __file__, "--without-ray"], task, scratch)


def octupus(command: list[str], task: Task, scratch: Path) -> Watched:
    """Train the task's stage."""
    stage = task.stage(scratch)
    file = scratch / "stage.json"
    file.write_text(stage.model_dump_json())
    return watched([*command, "--stage", str(file)], scratch / "run" / "metrics.jsonl", scratch)


def trainer_packed(task: Task, scratch: Path) -> Watched:
    """The packs of octupus's steps, in their order."""
    order = [place for step in range(task.steps + 1) for place in task.plan.pack_ids(step)]
    rows = [{"documents": [example(document) for document in task.packs[place]]} for place in order]
    lengths = [[sum(len(document["input_ids"]) for document in row["documents"])] for row in rows]
    return trainer(task, scratch, rows, [(sum(row), BUDGET) for row in lengths], packed=True)


def trainer_padded(task: Task, scratch: Path) -> Watched:
    """Documents in the order they were made in, padded to the longest of their batch."""
    batches = (task.steps + 1) * WORKERS * task.accumulation
    documents = task.documents[: batches * PADDED_BATCH]
    counts = []
    for first in range(0, len(documents), PADDED_BATCH):
        lengths = [len(document.ids) for document in documents[first : first + PADDED_BATCH]]
        counts.append((sum(lengths), PADDED_BATCH * max(lengths)))
    return trainer(task, scratch, [example(document) for document in documents], counts, packed=False)


RUNNERS: dict[str, Callable[[Task, Path], Watched]] = {
    "octupus": octupus_on_ray,
    "octupus, no Ray": octupus_without_ray,
    "Trainer packed": trainer_packed,
    "Trainer padded": trainer_padded,
}


def example(document: Document) -> dict[str, list[int]]:
    """A document as the Trainer takes it."""
    labels = [token if on else -100 for token, on in zip(document.ids.tolist(), document.trained, strict=True)]
    return {"input_ids": document.ids.tolist(), "labels": labels}


def trainer(task: Task, scratch: Path, rows: list[Any], counts: list[tuple[int, int]], packed: bool) -> Watched:
    """Train `rows`; `counts` are the tokens and slots of each batch."""
    share = WORKERS * task.accumulation
    by_step = [counts[first : first + share] for first in range(0, len(counts), share)]
    lines = scratch / "lines.jsonl"
    (scratch / "rows.json").write_text(json.dumps(rows))
    generated = deepspeed_config(task.stage(scratch), WORKERS, parameters=20_000_000)
    settings = {
        "output": str(scratch / "output"),
        "model": str(task.model),
        "rows": str(scratch / "rows.json"),
        "lines": str(lines),
        "packed": packed,
        "batch": 1 if packed else PADDED_BATCH,
        "accumulation": task.accumulation,
        "steps": task.steps + 1,
        "lr": LEARNING_RATE,
        "counts": [{"tokens": sum(t for t, _ in step), "slots": sum(s for _, s in step)} for step in by_step],
        "deepspeed": {
            "train_micro_batch_size_per_gpu": "auto",
            "gradient_accumulation_steps": "auto",
            "gradient_clipping": "auto",
            "zero_optimization": generated["zero_optimization"],
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
        },
    }
    file = scratch / "settings.json"
    file.write_text(json.dumps(settings))
    return watched([*torchrun(), str(TRAINER), str(file)], lines, scratch)


def torchrun() -> list[str]:
    """The command that starts a script in every worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(WORKERS)),
        *("--master-addr", "127.0.0.1", "--master-port", str(port)),
    ]


def watched(command: Sequence[str], lines: Path, scratch: Path) -> Watched:
    """Run a command that writes a line for each step, looking at it and its children. Ends when it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "HF_HUB_OFFLINE": "1"}
    output = scratch / "output.txt"
    seen = Watched(lines=[])
    with (
        output.open("w") as stream,
        subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT) as process,
    ):
        while process.poll() is None:
            time.sleep(0.1)
            look(process.pid, lines, seen)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{output.read_text()[-5000:]}")
    return seen


def look(pid: int, lines: Path, seen: Watched) -> None:
    """Note the steps that have ended since the last look."""
    whole = lines.read_bytes().split(b"\n")[:-1] if lines.is_file() else []
    new = [json.loads(line) for line in whole[len(seen.lines) :]]
    if not new:
        return
    cpu_s = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):  # it has just ended
            times = process.cpu_times()
            cpu_s += times.user + times.system
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), "0")
            seen.peaks[process.pid] = int(peak) * 1024
    seen.lines += new
    seen.cpu_s += [cpu_s] * len(new)


def train_stage_file(file: Path, without_ray: bool) -> None:
    """What the octupus runners start."""
    config = StageConfig.model_validate_json(file.read_text())
    if not without_ray:
        from octupus.train.launch import train

        train(config)
        return
    import torch.distributed

    from octupus.train.loop import train_stage

    torch.distributed.init_process_group("gloo")
    train_stage(config)
    torch.distributed.destroy_process_group()


def require_same_losses(results: dict[str, list[Result]]) -> None:
    """End when runners of the same packs disagree: then they did not do the same work."""
    packed = [name for name, done in results.items() if done and name != "Trainer padded"]
    for name in packed[1:]:
        pairs = zip(results[packed[0]][-1].losses, results[name][-1].losses, strict=True)
        for step, (ours, theirs) in enumerate(pairs, start=1):
            if abs(ours / theirs - 1) > LOSS_TOLERANCE:
                raise SystemExit(f"losses of step {step} differ: {packed[0]} {ours:.6f}, {name} {theirs:.6f}")


def print_table(results: dict[str, list[Result]]) -> None:
    """Medians over rounds, and what each step's fastest round gives; ratios are to the Trainer."""
    bases = [name for name in ("Trainer padded", "Trainer packed") if name in results]
    heads = [f"{'x ' + base:>16} {'fastest':>8} {'CPU':>5}" for base in bases]
    print(
        f"\n{'':<16} {'':>6} {'tokens/s':>9} {'median':>9} {'fastest':>9} {'tokens':>9} {'peak':>6}\n"
        f"{'runner':<16} {'fill':>6} {'all':>9} {'step':>9} {'rounds':>9} {'/CPU-s':>9} {'MB':>6} " + " ".join(heads)
    )
    for name, rounds in results.items():
        ratios = [
            f"{_ratio(rounds, results[base], 'tokens_per_s'):>16.2f} "
            f"{fastest_tokens_per_s(rounds) / fastest_tokens_per_s(results[base]):>8.2f} "
            f"{_ratio(rounds, results[base], 'tokens_per_cpu_s'):>5.2f}"
            for base in bases
        ]
        print(
            f"{name:<16} {rounds[0].fill:>6.3f} {median(each.tokens_per_s for each in rounds):>9.0f} "
            f"{median(each.median_tokens_per_s for each in rounds):>9.0f} {fastest_tokens_per_s(rounds):>9.0f} "
            f"{median(each.tokens_per_cpu_s for each in rounds):>9.0f} "
            f"{max(each.peak_bytes for each in rounds) / 1e6:>6.0f} " + " ".join(ratios)
        )


def fastest_tokens_per_s(rounds: list[Result]) -> float:
    """Each step in the round that was fastest at it: what others do on the machine only ever adds time."""
    seconds = [min(steps) for steps in zip(*(each.seconds for each in rounds), strict=True)]
    return sum(rounds[0].tokens) / sum(seconds)


def _ratio(ours: list[Result], theirs: list[Result], name: str) -> float:
    """The median of the rounds' ratios."""
    pairs = zip(ours, theirs, strict=True)
    return median(getattr(mine, name) / getattr(other, name) for mine, other in pairs)


if __name__ == "__main__":
    main()

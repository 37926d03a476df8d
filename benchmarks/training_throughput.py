"""Real tokens a second of octupus's training loop beside transformers' Trainer, padded and packed.

    pip install -e '.[benchmarks]'
    python benchmarks/training_throughput.py [--rounds 2] [--steps 8]

One model (19M parameters, random weights), one set of documents (185 tokens on average, half of them trained), float32,
ZeRO-2, PyTorch's fused AdamW, gradient clipping, two workers of one thread each. Three runners by default: octupus on
Ray Train, and the Trainer, started by torchrun, with the same packs and with batches padded to their longest document;
a fourth, the loop without Ray, shows what Ray costs.

Runners take turns of one step while the others' workers are stopped (SIGSTOP), so that whatever else the machine does
falls on all of them alike and each cycle of turns gives a ratio of its own. Steps 3 to STEPS count.

Real tokens are those of documents, without padding. Seconds, CPU seconds (of all of a runner's processes) and memory
(the largest resident set of a worker so far) are taken from outside, in the same way for all. The script fails when
octupus and the packed Trainer differ in any step's loss by more than 1e-3.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
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
MEAN_LENGTH = 195.0
"""Before the longest are cut to a pack; 185 after."""
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


@dataclass(frozen=True)
class Turn:
    """One step of one runner."""

    loss: float
    tokens: int
    slots: int
    seconds: float
    cpu_s: float
    peak_bytes: int
    """Of the largest worker so far."""
    load: float
    """Processes of the whole machine that wanted to run in the last minute."""

    @property
    def tokens_per_s(self) -> float:
        """Real tokens a second."""
        return self.tokens / self.seconds

    @property
    def tokens_per_cpu_s(self) -> float:
        """Real tokens a second of CPU time."""
        return self.tokens / self.cpu_s


class Runner:
    """The processes of one side, which run for one step at a time."""

    def __init__(self, command: Sequence[str], lines: Path, scratch: Path) -> None:
        """`command` writes to `lines` what each step gave, as JSON: loss, tokens and slots."""
        environment = os.environ | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "HF_HUB_OFFLINE": "1"}
        # Ray's workers are nice to other processes by default, which beside a Trainer that is not would only be unfair.
        environment["RAY_worker_niceness"] = "0"
        self._output = scratch / "output.txt"
        self._lines = lines
        self._seen = 0
        with self._output.open("w") as stream:
            self._process = psutil.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)

    def turn(self) -> Turn:
        """Run to the end of the next step. Ends the script when the runner fails."""
        before, started = self._cpu_s(), time.perf_counter()
        self._signal(signal.SIGCONT)
        while len(lines := self._whole_lines()) == self._seen:
            if self._process.poll() is not None:
                raise self._failure()
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        self._signal(signal.SIGSTOP)
        line = json.loads(lines[self._seen])
        self._seen += 1
        return Turn(
            loss=line["loss"],
            tokens=line["tokens"],
            slots=line["slots"],
            seconds=seconds,
            cpu_s=self._cpu_s() - before,
            peak_bytes=max(_peak_bytes(worker) for worker in self._workers()),
            load=os.getloadavg()[0],
        )

    def finish(self) -> None:
        """Run to the end. Ends the script when the runner fails."""
        self._signal(signal.SIGCONT)
        if self._process.wait():
            raise self._failure()

    def end(self) -> None:
        """Leave nothing behind, stopped workers least of all."""
        if self._process.poll() is None:
            for process in reversed(self._tree()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()

    def _failure(self) -> SystemExit:
        return SystemExit(f"{self._process.args} failed:\n{self._output.read_text()[-5000:]}")

    def _whole_lines(self) -> list[bytes]:
        return self._lines.read_bytes().split(b"\n")[:-1] if self._lines.is_file() else []

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _workers(self) -> list[psutil.Process]:
        """The processes that train: Ray's by their title, or else the children of torchrun."""
        titled = [process for process in self._tree() if "".join(process.cmdline()).startswith("ray::RayTrainWorker")]
        return titled or self._process.children()

    def _signal(self, number: int) -> None:
        for worker in self._workers():
            worker.send_signal(number)

    def _cpu_s(self) -> float:
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _peak_bytes(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


def main() -> None:
    """Print the table of all rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="how often every runner is started")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--accumulation", type=int, default=1, help="packs, or padded batches, of a worker and step")
    parser.add_argument("--runners", nargs="+", choices=RUNNERS, default=[n for n in RUNNERS if n != "octupus, no Ray"])
    parser.add_argument("--stage", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--without-ray", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage is not None:
        train_stage_file(arguments.stage, arguments.without_ray)
        return
    turns: dict[str, list[Turn]] = {name: [] for name in arguments.runners}
    with tempfile.TemporaryDirectory(prefix="octupus_throughput_") as scratch:
        task = make_task(Path(scratch), arguments.steps, arguments.accumulation)
        for round_number in range(arguments.rounds):
            done = one_round(task, arguments.runners, task.directory / f"round_{round_number}")
            require_same_losses(done)
            for name, steps in done.items():
                turns[name] += steps[FIRST_COUNTED - 1 :]
            print_table(turns)


def one_round(task: Task, names: Sequence[str], directory: Path) -> dict[str, list[Turn]]:
    """Start all runners, one after the other, and let them take turns; their steps, by name."""
    runners: dict[str, Runner] = {}
    turns: dict[str, list[Turn]] = {}
    with contextlib.ExitStack() as running:
        for position, name in enumerate(names):
            scratch = directory / str(position)
            scratch.mkdir(parents=True)
            runners[name] = RUNNERS[name](task, scratch)
            running.callback(runners[name].end)
            turns[name] = [runners[name].turn() for _ in range(FIRST_COUNTED - 1)]
        for step in range(FIRST_COUNTED, task.steps + 1):
            first = step % len(names)
            for name in [*names[first:], *names[:first]]:
                turn = runners[name].turn()
                turns[name].append(turn)
                rates = f"{turn.tokens_per_s:>6.0f} tokens/s {turn.tokens_per_cpu_s:>6.0f} per CPU-s"
                print(f"step {step:>2}  {name:<16} {rates}", flush=True)
        for runner in runners.values():
            runner.finish()
    return turns


def make_task(directory: Path, steps: int, accumulation: int) -> Task:
    """The model and the data, in `directory`."""
    documents = generate_documents(DOCUMENTS, MEAN_LENGTH)
    packs = pack_documents(documents)
    model = write_model(directory / "start")
    prepared = write_prepared(directory / "prepared", packs, model)
    return Task(directory, model, prepared, documents, packs, steps, accumulation)


def octupus_on_ray(task: Task, scratch: Path) -> Runner:
    """The whole of what a user starts."""
    return octupus([sys.executable, __file__], task, scratch)


def octupus_without_ray(task: Task, scratch: Path) -> Runner:
    """The loop alone, in workers that torchrun starts."""
    return octupus([*torchrun(), __file__, "--without-ray"], task, scratch)


def octupus(command: list[str], task: Task, scratch: Path) -> Runner:
    """Train the task's stage."""
    stage = task.stage(scratch)
    file = scratch / "stage.json"
    file.write_text(stage.model_dump_json())
    return Runner([*command, "--stage", str(file)], scratch / "run" / "metrics.jsonl", scratch)


def trainer_packed(task: Task, scratch: Path) -> Runner:
    """The packs of octupus's steps, in their order."""
    order = [place for step in range(task.steps + 1) for place in task.plan.pack_ids(step)]
    rows = [{"documents": [example(document) for document in task.packs[place]]} for place in order]
    lengths = [[sum(len(document["input_ids"]) for document in row["documents"])] for row in rows]
    return trainer(task, scratch, rows, [(sum(row), BUDGET) for row in lengths], packed=True)


def trainer_padded(task: Task, scratch: Path) -> Runner:
    """Batches of documents as they come, padded to the longest of each."""
    batches = representative_batches(task.documents, (task.steps + 1) * WORKERS * task.accumulation)
    counts = []
    for batch in batches:
        lengths = [len(document.ids) for document in batch]
        counts.append((sum(lengths), PADDED_BATCH * max(lengths)))
    return trainer(task, scratch, [example(document) for batch in batches for document in batch], counts, packed=False)


def representative_batches(documents: list[Document], number: int) -> list[list[Document]]:
    """Batches whose fill is spread as that of all is: a few at random would be fuller or emptier by a fifth."""
    starts = range(0, len(documents) - PADDED_BATCH + 1, PADDED_BATCH)
    batches = [documents[start : start + PADDED_BATCH] for start in starts]
    batches.sort(key=lambda batch: sum(len(each.ids) for each in batch) / max(len(each.ids) for each in batch))
    chosen = [batches[int((place + 0.5) * len(batches) / number)] for place in range(number)]
    Random(0).shuffle(chosen)
    return chosen


RUNNERS: dict[str, Callable[[Task, Path], Runner]] = {
    "octupus": octupus_on_ray,
    "octupus, no Ray": octupus_without_ray,
    "Trainer packed": trainer_packed,
    "Trainer padded": trainer_padded,
}


def example(document: Document) -> dict[str, list[int]]:
    """A document as the Trainer takes it."""
    labels = [token if on else -100 for token, on in zip(document.ids.tolist(), document.trained, strict=True)]
    return {"input_ids": document.ids.tolist(), "labels": labels}


def trainer(task: Task, scratch: Path, rows: list[Any], counts: list[tuple[int, int]], packed: bool) -> Runner:
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
    return Runner([*torchrun(), str(TRAINER), str(file)], lines, scratch)


def torchrun() -> list[str]:
    """The command that starts a script in every worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(WORKERS)),
        *("--master-addr", "127.0.0.1", "--master-port", str(port)),
    ]


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


def require_same_losses(turns: dict[str, list[Turn]]) -> None:
    """End when runners of the same packs disagree: then they did not do the same work."""
    packed = [name for name in turns if name != "Trainer padded"]
    for name in packed[1:]:
        for step, (ours, theirs) in enumerate(zip(turns[packed[0]], turns[name], strict=True), start=1):
            if abs(ours.loss / theirs.loss - 1) > LOSS_TOLERANCE:
                raise SystemExit(f"step {step}: loss of {packed[0]} {ours.loss:.6f}, of {name} {theirs.loss:.6f}")


def print_table(turns: dict[str, list[Turn]]) -> None:
    """Tokens a second of all steps together and of the median step; ratios are medians over cycles, also by CPU-s."""
    bases = [name for name in ("Trainer padded", "Trainer packed") if name in turns]
    heads = [f"{'x ' + base:>18} {'by CPU':>7}" for base in bases]
    print(
        f"\n{'runner':<16} {'fill':>6} {'tokens/s':>9} {'median':>7} {'per CPU-s':>10} {'peak MB':>8} {'load':>5}"
        + "".join(heads)
    )
    for name, steps in turns.items():
        tokens = sum(step.tokens for step in steps)
        row = (
            f"{name:<16} {tokens / sum(step.slots for step in steps):>6.3f} "
            f"{tokens / sum(step.seconds for step in steps):>9.0f} {median(s.tokens_per_s for s in steps):>7.0f} "
            f"{tokens / sum(step.cpu_s for step in steps):>10.0f} {max(s.peak_bytes for s in steps) / 1e6:>8.0f} "
            f"{median(step.load for step in steps):>5.1f}"
        )
        for base in bases:
            pairs = list(zip(steps, turns[base], strict=True))
            row += f"{median(ours.tokens_per_s / theirs.tokens_per_s for ours, theirs in pairs):>18.2f} "
            row += f"{median(ours.tokens_per_cpu_s / theirs.tokens_per_cpu_s for ours, theirs in pairs):>7.2f}"
        print(row, flush=True)


if __name__ == "__main__":
    main()

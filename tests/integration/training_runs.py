"""Runs that something happens to: a driver process that is killed, or whose workers are; workers that must all fail."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import load_file

from octupus.errors import TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import METRICS_FILE, read_metrics

ROOT = Path(__file__).parents[2]

LOOK_S = 0.001
"""Time between two looks at a run: a tiny model's checkpoint is half-written for some milliseconds only."""
STARTING_S = 6.0
"""A worker that starts is killed up to this long after its process appeared."""
LONGEST_S = 300.0
"""A run that shows no progress for this long hangs."""


class Driver:
    """`python jobs/train_stg1.py` with a stage's configuration, on the Ray cluster at `address`, or else on a private
    one that ends with it."""

    def __init__(self, config: StageConfig, scratch: Path, address: str | None = None) -> None:
        self.output = scratch / f"{config.run.name}.txt"
        self._command = scratch / f"{config.run.name}.yaml"  # JSON is YAML
        self._command.write_text(json.dumps(config.model_dump(mode="json")))
        # Ray's own files lie apart from those of other clusters of this machine, in a short path: they hold sockets.
        self._ray_directory = tempfile.mkdtemp(prefix="octupus_ray_")
        self._environment = os.environ | {"TMPDIR": str(scratch), "RAY_TMPDIR": self._ray_directory}
        self._environment["RAY_ADDRESS"] = address or ""
        self._process = self._start()
        self._seen: dict[int, psutil.Process] = {}

    def _start(self) -> subprocess.Popen[bytes]:
        with self.output.open("a") as stream:
            return subprocess.Popen(
                [sys.executable, "jobs/train_stg1.py", str(self._command)],
                cwd=ROOT,
                env=self._environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def workers(self) -> list[psutil.Process]:
        """The training workers that live, in the order of their process ids."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
            self._seen |= {process.pid: process for process in children}
            return sorted((process for process in children if _is_worker(process)), key=lambda process: process.pid)
        return []

    def kill_and_start_again(self) -> None:
        """Kill the driver alone, with SIGKILL; then give the same command at once."""
        self.workers()
        self._process.kill()
        self._process.wait()
        self._process = self._start()

    def require_running(self) -> None:
        """Raise AssertionError, with its output, when the driver has ended."""
        assert self._process.poll() is None, f"it ended too early:\n{self.tail()}"

    def wait(self, timeout_s: float) -> int:
        """The exit code; the driver is killed when it takes longer."""
        return self._process.wait(timeout_s)

    def tail(self) -> str:
        """The end of what the driver printed."""
        return self.output.read_text()[-4000:]

    def end(self) -> None:
        """Kill what is left of the driver and of everything it started."""
        self.workers()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        _, alive = psutil.wait_procs(self._seen.values(), timeout=10)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(self._ray_directory, ignore_errors=True)


@contextmanager
def driven(config: StageConfig, scratch: Path, address: str | None = None) -> Iterator[Driver]:
    """A stage that trains in a process of its own while the block runs; nothing of it is left afterwards."""
    driver = Driver(config, scratch, address)
    try:
        yield driver
    finally:
        driver.end()


@dataclass(frozen=True)
class Kill:
    """One kill."""

    kind: str
    """worker, starting (a worker before its first step), writing (a worker during a checkpoint) or driver."""
    at_step: int
    """The last step recorded before the kill."""
    half_written: int | None
    """Step of a checkpoint that was left incomplete."""
    resumed_at: int
    """The last step in the metrics when the next attempt had begun: the checkpoint's, or a step or two later."""
    seconds: float
    """From the kill until the run trained again."""

    def __str__(self) -> str:
        half = "" if self.half_written is None else f", step {self.half_written}'s checkpoint half-written"
        return (
            f"{self.kind:8} killed after step {self.at_step:3}{half}; went on from step {self.resumed_at} "
            f"after {self.seconds:.0f} s"
        )


class Killer:
    """Kills a run at random instants of its progress."""

    def __init__(self, config: StageConfig, driver: Driver, randomness: random.Random) -> None:
        self._run = Path(config.run.location)
        self._driver = driver
        self._randomness = randomness
        self._workers = config.scaling.workers
        self._every_steps = config.checkpoint.every_steps

    def kill(self, kind: str) -> Kill:
        """Do one kill and wait until the run trains again. A checkpoint that was completed after all is no `writing`;
        then the next one is tried."""
        while True:
            done = getattr(self, f"_kill_{kind}")()
            if kind != "writing" or done.half_written is not None:
                killed: Kill = done
                return killed

    def _kill_worker(self) -> Kill:
        self._wait_for_progress()
        return self._kill_a_worker("worker")

    def _kill_starting(self) -> Kill:
        """Kill a worker, and one of those that replace it before they trained."""
        self._wait_for_progress()
        old = self._driver.workers()
        self._randomness.choice(old).kill()
        psutil.wait_procs(old, timeout=LONGEST_S)
        self._all_workers()
        time.sleep(self._randomness.uniform(0, STARTING_S))
        return self._kill_a_worker("starting")

    def _kill_writing(self) -> Kill:
        self._wait_for_progress()
        workers = self._driver.workers()
        self._until(lambda: self._half_written() is not None)
        return self._kill_a_worker("writing", workers)

    def _kill_driver(self) -> Kill:
        self._wait_for_progress()
        before, step, killed_at = self._attempt(), self._last_step(), time.monotonic()
        self._driver.kill_and_start_again()
        return self._resumed("driver", before, step, None, killed_at)

    def _kill_a_worker(self, kind: str, workers: Sequence[psutil.Process] = ()) -> Kill:
        workers = workers or self._all_workers()
        before, step, killed_at = self._attempt(), self._last_step(), time.monotonic()
        self._randomness.choice(workers).kill()
        # What is half-written once all of them are gone stays so.
        psutil.wait_procs(workers, timeout=LONGEST_S)
        return self._resumed(kind, before, step, self._half_written(), killed_at)

    def _all_workers(self) -> list[psutil.Process]:
        """The workers, once all of them are there: Ray may just be starting them."""
        found: list[psutil.Process] = []

        def complete() -> bool:
            found[:] = self._driver.workers()
            return len(found) == self._workers

        self._until(complete, look_s=0.05)
        return found

    def _resumed(
        self, kind: str, before: tuple[int, int] | None, step: int, half_written: int | None, killed_at: float
    ) -> Kill:
        self._until(lambda: self._attempt() not in (before, None))
        return Kill(kind, step, half_written, self._last_step(), time.monotonic() - killed_at)

    def _wait_for_progress(self) -> None:
        """Wait for a random number of steps, up to four checkpoints, and a random part of the next."""
        first = self._last_step()
        wanted = first + self._randomness.randint(1, 4 * self._every_steps)
        self._until(lambda: self._last_step() >= wanted)
        time.sleep(self._randomness.uniform(0, 0.05))

    def _until(self, holds: Callable[[], bool], look_s: float = LOOK_S) -> None:
        deadline = time.monotonic() + LONGEST_S
        while not holds():
            self._driver.require_running()
            assert time.monotonic() < deadline, f"nothing happens:\n{self._driver.tail()}"
            time.sleep(look_s)

    def _attempt(self) -> tuple[int, int] | None:
        """What changes when a run goes back to a checkpoint: its metrics are then another file."""
        try:
            status = (self._run / METRICS_FILE).stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _last_step(self) -> int:
        try:
            with (self._run / METRICS_FILE).open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - 4096))
                lines = stream.read().split(b"\n")
        except FileNotFoundError:
            return 0
        return int(json.loads(lines[-2])["step"]) if len(lines) > 1 else 0

    def _half_written(self) -> int | None:
        """Step of a checkpoint that has files of its state but is not complete."""
        with suppress(FileNotFoundError):  # deleted while it is looked at
            for directory in self._run.glob("step_*"):
                if not (directory / "state.json").exists() and any(path.is_file() for path in directory.rglob("*")):
                    return int(directory.name.removeprefix("step_"))
        return None


def train_with_kills(config: StageConfig, kinds: Sequence[str], scratch: Path, seed: int) -> list[Kill]:
    """Train a stage to its end while it is killed once for each of `kinds`, which are methods of Killer."""
    kills = []
    with driven(config, scratch) as driver:
        killer = Killer(config, driver, random.Random(seed))
        for kind in kinds:
            kills.append(killer.kill(kind))
            print(f"{config.run.name}: {kills[-1]}", flush=True)
        code = driver.wait(2 * LONGEST_S)
        assert code == 0, driver.tail()
    return kills


def numbers(config: StageConfig) -> list[tuple[Any, ...]]:
    """What every step of a run computed."""
    rows = read_metrics(Storage(config.run.location))
    return [(row.step, row.loss, row.grad_norm, row.lr, row.packs, row.trained_tokens) for row in rows]


def same_weights(first: StageConfig, second: StageConfig) -> bool:
    """Whether two runs exported the same weights, bit for bit."""
    pair = [
        {
            name: tensor
            for file in sorted(config.export.glob("*.safetensors"))
            for name, tensor in load_file(file).items()
        }
        for config in (first, second)
        if config.export is not None
    ]
    assert pair[0]
    return pair[0].keys() == pair[1].keys() and all(torch.equal(pair[0][name], pair[1][name]) for name in pair[0])


@contextmanager
def at_step(config: StageConfig, step: int, act: Callable[[], object]) -> Iterator[None]:
    """Do something as soon as the run that the block trains has done `step` steps."""
    acted, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            rows = read_metrics(Storage(config.run.location))
            if rows and rows[-1].step >= step:
                act()
                acted.set()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert acted.is_set()


def errors_by_worker(
    configs: Sequence[StageConfig], world: int, scratch: Path, timeout_s: float = 150.0
) -> list[list[str]]:
    """Train stages, one after the other, in `world` processes joined by gloo: of each worker, the TrainingError that
    each stage ended with. Raises subprocess.TimeoutExpired when a worker waits for one that failed alone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listing = scratch / "stages.json"
    listing.write_text(json.dumps([config.model_dump(mode="json") for config in configs]))
    files = [scratch / f"errors_{rank}.json" for rank in range(world)]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.training_runs", str(listing), str(file)],
            cwd=ROOT,
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank, file in enumerate(files)
    ]
    try:
        assert [process.wait(timeout_s) for process in processes] == [0] * world
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [json.loads(file.read_text()) for file in files]


def _write_errors(listing: Path, target: Path) -> None:
    """What one worker of `errors_by_worker` does."""
    from octupus.train.loop import train_stage

    torch.distributed.init_process_group("gloo")
    errors = []
    for values in json.loads(listing.read_text()):
        try:
            train_stage(StageConfig.model_validate(values))
        except TrainingError as error:
            errors.append(str(error))
        torch.distributed.barrier()
    target.write_text(json.dumps(errors))


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[bool]:
    """A file system of `size` at `place` while the block runs; False where this machine refuses to mount one."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", f"size={size}", "octupus-test", str(place))
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "RayTrainWorker" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    _write_errors(Path(sys.argv[1]), Path(sys.argv[2]))

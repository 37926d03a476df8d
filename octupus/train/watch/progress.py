"""Shows on the launcher's terminal, or as logged lines, how a run goes while its workers train."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from octupus.errors import OutputError
from octupus.telemetry import console, event
from octupus.train.checkpoint.storage import Storage
from octupus.train.watch.metrics import METRICS_FILE, StepMetrics, parse_metrics

logger = logging.getLogger(__name__)

LOCAL_INTERVAL_S = 0.5
REMOTE_INTERVAL_S = 5.0
"""Object storage is read whole each time."""
EVENT_INTERVAL_S = 10.0
"""Least time between two logged lines where there is no terminal."""
MEDIAN_STEPS = 50
"""Steps whose median time predicts the rest."""


@contextmanager
def followed(storage: Storage, name: str, steps: int) -> Iterator[None]:
    """Show the progress of run `name`, of `steps` steps, from its metrics while the block runs.

    On a terminal a live bar; else the event `train.progress` for the first step, the last one, and every
    EVENT_INTERVAL_S between. Storage that cannot be read is logged and tried again.
    """
    target = console()
    tail = MetricsTail(storage)
    state = RunState(steps, _new_steps(tail)[0])
    stop = threading.Event()
    interval = REMOTE_INTERVAL_S if storage.local is None else LOCAL_INTERVAL_S
    with _Bar(name, steps, target) if target.is_terminal else _Lines(name) as view:

        def look() -> None:
            metrics, rewritten = _new_steps(tail)
            if metrics or rewritten:
                state.add(metrics, rewritten)
                view.show(state)

        def follow() -> None:
            while not stop.wait(interval):
                look()

        thread = threading.Thread(target=follow, name="train progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            look()


class MetricsTail:
    """Reads metrics.jsonl as it grows, each line once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._read_to = 0
        self._last_line = b""

    def new(self) -> tuple[list[StepMetrics], bool]:
        """The steps written since the last call, and whether they begin at the start of a file that was rewritten.

        A run that continues from a checkpoint replaces the file by one without the steps that come again. It is
        known by its content: the last line that was read is no longer where it was. That holds on every file
        system, and a rewritten file that lost nothing is simply read on. Raises OutputError.
        """
        content = self._content(self._read_to - len(self._last_line))
        rewritten = not content.startswith(self._last_line)
        if rewritten:
            self._read_to, self._last_line = 0, b""
            content = self._content(0)
        whole = content[len(self._last_line) : content.rfind(b"\n") + 1]
        if whole:
            self._read_to += len(whole)
            self._last_line = whole[whole.rfind(b"\n", 0, -1) + 1 :]
        return parse_metrics(whole), rewritten

    def _content(self, start: int) -> bytes:
        """The file from byte `start` on; nothing when there is no file."""
        if self._storage.local is None:
            return (self._storage.read(METRICS_FILE) or b"")[start:]
        path = self._storage.local / METRICS_FILE
        try:
            with path.open("rb") as stream:
                stream.seek(start)
                return stream.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise OutputError(f"cannot read {path}: {error}") from error


class RunState:
    """Where a run stands, from the steps seen so far."""

    def __init__(self, steps: int, earlier: Iterable[StepMetrics] = ()) -> None:
        """`earlier` are steps of an earlier call of the job; this call begins by going back to its checkpoint."""
        self.last: StepMetrics | None = None
        self.evaluation_loss: float | None = None
        """The newest held-out loss."""
        self.restarts = 0
        """How often the run went back to a checkpoint, or to its beginning, while it was followed."""
        self._steps = steps
        self._seconds: deque[float] = deque(maxlen=MEDIAN_STEPS)
        self._trained = False
        self._take(earlier)

    def add(self, metrics: Sequence[StepMetrics], rewritten: bool = False) -> None:
        """Take in new steps; `rewritten` says that they replace all steps seen before."""
        if rewritten:
            self.restarts += self._trained
            self.last = self.evaluation_loss = None
            self._seconds.clear()
        self._trained = not rewritten
        self._take(metrics)

    @property
    def remaining_s(self) -> float | None:
        """Seconds to the last step: the median time of the newest MEDIAN_STEPS steps times the steps that are left."""
        if self.last is None:
            return None
        return median(self._seconds) * (self._steps - self.last.step)

    def values(self) -> dict[str, Any]:
        """What is shown, by name; empty before the first step."""
        last = self.last
        if last is None:
            return {}
        values = {
            "step": last.step,
            "steps": self._steps,
            "loss": last.loss,
            "evaluation_loss": self.evaluation_loss,
            "lr": last.lr,
            "grad_norm": last.grad_norm,
            "tokens_per_s": round(last.tokens_per_s),
            "fill": last.fill,
            "mfu": last.mfu,
            "remaining_s": round(self.remaining_s or 0.0),
            "restarts": self.restarts or None,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _take(self, metrics: Iterable[StepMetrics]) -> None:
        for step in metrics:
            self.last = step
            self._seconds.append(step.step_s)
            if step.evaluation_loss is not None:
                self.evaluation_loss = step.evaluation_loss


class _Lines:
    """The state as logged events."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logged_at = float("-inf")
        self._waiting: dict[str, Any] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *raised: object) -> None:
        self._log()

    def show(self, state: RunState) -> None:
        self._waiting = state.values()
        if time.monotonic() - self._logged_at >= EVENT_INTERVAL_S:
            self._log()

    def _log(self) -> None:
        if self._waiting:
            event(logger, "train.progress", run=self._name, **self._waiting)
            self._logged_at = time.monotonic()
            self._waiting = {}


class _Bar:
    """The state as a bar with a line of numbers below it."""

    def __init__(self, name: str, steps: int, target: Console) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[remaining]}"),
            console=target,
        )
        self._task = self._bar.add_task(name, total=steps, remaining="")
        self._numbers = Text()
        self._live = Live(console=target, get_renderable=self._drawn, transient=True)

    def __enter__(self) -> _Bar:
        self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def show(self, state: RunState) -> None:
        values = state.values()
        remaining = f"{timedelta(seconds=values['remaining_s'])} left" if values else ""
        self._bar.update(self._task, completed=values.get("step", 0), remaining=remaining)
        self._numbers = Text("  ".join(form.format(values[name]) for name, form in _FORMS.items() if name in values))

    def _drawn(self) -> RenderableType:
        return Group(self._bar, self._numbers)


_FORMS = {
    "loss": "loss {:.4f}",
    "evaluation_loss": "held-out {:.4f}",
    "lr": "lr {:.2e}",
    "grad_norm": "grad norm {:.3g}",
    "tokens_per_s": "{:,} tokens/s",
    "fill": "fill {:.1%}",
    "mfu": "MFU {:.1%}",
    "restarts": "restarts {}",
}
"""How the numbers below the bar are written."""


def _new_steps(tail: MetricsTail) -> tuple[list[StepMetrics], bool]:
    """What `tail` has; nothing, with an event, while storage cannot be read: training may well go on."""
    try:
        return tail.new()
    except OutputError as error:
        event(logger, "train.progress_unreadable", error=error)
        return [], False

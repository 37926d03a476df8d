"""The results as tables: names of columns, and rows of text or numbers, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.cluster_scaling import constants as c
from benchmarks.cluster_scaling import data
from benchmarks.cluster_scaling.resource import SIZES, Cluster, Use, saturation
from benchmarks.cluster_scaling.serving import Serving
from benchmarks.cluster_scaling.training import (
    NETWORK,
    QWEN_7B,
    QWEN_72B,
    SHIPPED_PACKS,
    TOKEN_BUDGET,
    Training,
    packs_for,
)

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def text(self) -> str:
        """Columns of equal width; the first to the left, numbers to the right."""
        cells = [[shown(value) for value in row] for row in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numeric = [all(isinstance(row[place], int | float) for row in self.rows) for place in range(len(widths))]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, numeric, strict=True)
            ).rstrip()
            for line in cells
        ]
        return "\n".join([self.title, "", *lines, ""])


def shown(value: Any) -> str:
    """A number with three digits that count; text as it is."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1e-4 or value == 0 else f"{value:.0e}"


@dataclass(frozen=True, slots=True)
class Part:
    """Data, training or serving."""

    name: str
    pace: str
    """What a share of 1 means."""
    uses_at: Callable[[int], list[Use]]
    """Shares of each resource by GPUs."""
    tables: Sequence[Table]
    variant: str = ""
    """Another cluster, and the shares there; the part has none where this is empty."""
    variant_at: Callable[[int], list[Use]] = lambda _: []

    def rows(self) -> list[tuple[str, list[float], str]]:
        """Resource, shares by size, and the setting in the largest cluster; the variant's behind."""
        sizes = [self.uses_at(size) for size in SIZES]
        varied = [
            [replace(use, resource=f"{use.resource}, {self.variant}") for use in self.variant_at(size)]
            for size in SIZES
        ]
        lines = [*zip(*sizes, strict=True), *zip(*varied, strict=True)]
        return [(uses[-1].resource, [use.share for use in uses], uses[-1].setting) for uses in lines]

    def shares(self) -> Table:
        """Shares by resource."""
        title = f"{self.name}: share of each resource, {self.pace}"
        rows = [[resource, *shares, setting] for resource, shares, setting in self.rows()]
        return Table(title, ["resource", *(f"{size} GPUs" for size in SIZES), f"setting ({SIZES[-1]} GPUs)"], rows)

    def verdicts(self) -> list[str]:
        """What saturates first, and what does in the variant."""
        verdicts = [_verdict(self.name, self.uses_at)]
        return verdicts + ([_verdict(f"{self.name}, {self.variant},", self.variant_at)] if self.variant else [])


def _verdict(name: str, uses_at: Callable[[int], list[Use]]) -> str:
    found = saturation(uses_at)
    if found is None:
        return f"{name} saturates nothing up to {SIZES[-1]} GPUs"
    gpus, use = found
    return f"{name} saturates first: {use.resource} at {gpus} GPUs ({use.share:.2g}); move it with {use.setting}"


def data_part(storage: float) -> Part:
    """Preparing rows in proportion to GPUs."""
    clusters = {size: Cluster(size, storage=storage) for size in SIZES}
    elapsed = []
    for rows in (1e6, 10e6, 100e6, 1000e6):
        times = [sum(data.seconds(rows, cluster).values()) / HOUR for cluster in clusters.values()]
        elapsed.append([f"{rows / 1e6:,.0f} M", *times, data.driver_memory(rows) / 1e9, rows * _stored() / 1e12])
    return Part(
        "data",
        "at the pace of all cores, 2 M rows a GPU",
        lambda gpus: data.uses(c.ROWS_PER_GPU * gpus, Cluster(gpus, storage=storage)),
        [
            Table(
                "data: hours by rows (96 cores a node)",
                ["rows", *(f"{size} GPUs" for size in SIZES), "driver GB", "storage TB"],
                elapsed,
            ),
            Table(
                "data: CPU of the driver, microseconds a row",
                ["work", "us"],
                [[name, 1e6 * value] for name, value in data.driver_cpu().items()]
                + [["all", 1e6 * sum(data.driver_cpu().values())]],
            ),
        ],
    )


def _stored() -> float:
    """Bytes of a row that lie on storage at the end of the first pass."""
    return c.CORPUS_BYTES + c.STORED_BYTES


def training_part(storage: float) -> Part:
    """Qwen2.5-7B with ZeRO 2, the shipped configuration, and 72B with ZeRO 3."""
    small = {size: _training(size, storage) for size in SIZES}
    large = {size: _training(size, storage, large=True) for size in SIZES}
    return Part(
        "training",
        "at the pace of computing, Qwen2.5-7B, ZeRO 2",
        lambda gpus: _training(gpus, storage).uses(),
        [_steps([*small.values(), *large.values()]), _traffic(storage), _checkpoints(), _intervals(small, large)],
        "100 Gb/s",
        lambda gpus: [use for use in _slow(_training(gpus, storage)).uses() if use.resource == NETWORK],
    )


def _training(size: int, storage: float, large: bool = False, zero_stage: int | None = None) -> Training:
    name, shape, stage = ("72B", QWEN_72B, 3) if large else ("7B", QWEN_7B, 2)
    return Training(name, shape, zero_stage or stage, Cluster(size, storage=storage), packs_for(size))


def _slow(run: Training) -> Training:
    return replace(run, cluster=replace(run.cluster, network=c.SLOW_NETWORK))


def _steps(runs: Sequence[Training]) -> Table:
    """The batch as shipped, which no more GPUs than packs can share, beside a pack for each GPU."""
    rows = []
    for run in runs:
        gpus = run.cluster.gpus
        shipped = replace(run, packs=SHIPPED_PACKS)
        steps = c.TRAINING_TOKENS / (run.packs * TOKEN_BUDGET * c.FILL)
        rows.append(
            [
                f"{run.name}, ZeRO {run.zero_stage}",
                gpus,
                run.memory.total / 2**30,
                "yes" if run.fits else "no",
                run.compute_s,
                run.step_s,
                100 * min(1.0, SHIPPED_PACKS / gpus),
                shipped.hours(c.TRAINING_TOKENS),
                run.packs,
                round(steps),
                run.hours(c.TRAINING_TOKENS),
            ]
        )
    columns = ["model", "GPUs", "GiB", "fits", "compute s", "step s", "% with a pack", "hours, 16 packs"]
    title = "training: 1 G tokens with the shipped batch of 16 packs, then with a pack for each GPU"
    return Table(title, [*columns, "packs_per_step", "steps", "hours, a pack a GPU"], rows)


def _traffic(storage: float) -> Table:
    rows = []
    for large in (False, True):
        for stage in (3,) if large else (1, 2, 3):
            for size in SIZES:
                run = _training(size, storage, large, stage)
                between = [each.network_s for each in (run, _slow(run))]
                rows.append(
                    [f"{run.name}, ZeRO {stage}", size, run.traffic / 1e9, run.nvlink_s, *between, run.compute_s]
                )
    columns = ["model", "GPUs", "GB past a GPU", "NVLink s", "8 x 400 Gb/s", "100 Gb/s", "compute s"]
    return Table("training: ZeRO's traffic of a step, a pack for each GPU (8 GPUs: 2)", columns, rows)


def _checkpoints() -> Table:
    rows = []
    for large in (False, True):
        for size in SIZES:
            runs = [_training(size, 1e9 * rate, large) for rate in (1, 5, 20)]
            shares = [100 * run.upload_s / run.interval_s for run in runs]
            first = runs[0]
            rows.append([first.name, size, first.checkpoint_bytes / 1e9, first.save_s, *shares])
    columns = ["model", "GPUs", "GB", "a step waits s", "% at 1 GB/s", "% at 5 GB/s", "% at 20 GB/s"]
    return Table(
        "training: checkpoint of every 200 steps, share of the time that storage is busy with it", columns, rows
    )


def _intervals(small: dict[int, Training], large: dict[int, Training]) -> Table:
    rows = []
    for run in (*small.values(), *large.values()):
        best = run.best_interval_s
        rows.append(
            [
                run.name,
                run.cluster.gpus,
                run.cluster.failure_s / HOUR,
                run.restart_s(False) / 60,
                run.restart_s(True) / 60,
                best / 60,
                max(1, round(best / run.step_s)),
                100 * run.lost_share(run.interval_s),
                100 * run.lost_share(best),
                100 * run.lost_share(best, url=True),
            ]
        )
    columns = ["model", "GPUs", "hours to a failure", "restart min", "from a URL", "Young min", "every_steps"]
    title = "training: failures; % of time lost with every_steps 200, with Young's, with Young's and a URL"
    return Table(title, [*columns, "% lost, 200", "% Young", "% URL"], rows)


def serving_part() -> Part:
    """Shares with one ingress, as shipped, and what is needed."""
    enough = {size: Serving(Cluster(size), Serving(Cluster(size)).ingresses_needed) for size in SIZES}
    columns = ["GPUs", "requests/s", "items/answer", "ingress ms/request", "ingresses", "a node", "controller"]
    rows = [
        [
            size,
            each.requests_per_s,
            each.items,
            1e3 * sum(each.request_cpu().values()),
            each.ingresses,
            each.ingresses / each.cluster.nodes,
            each.controller_share(),
            each.haproxy_share(each.cluster.nodes),
            each.table_bytes() / 1e9,
            100 * each.known_ingress,
        ]
        for size, each in enough.items()
    ]
    return Part(
        "serving",
        "at the pace of the GPUs, replicas.ingresses 1",
        lambda gpus: Serving(Cluster(gpus)).uses(),
        [
            Table(
                "serving: with as many ingresses as are needed",
                [*columns, "HAProxy", "prefix GB/ingress", "% of turns known"],
                rows,
            )
        ],
    )

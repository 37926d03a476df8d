"""`octupus plan`: what a training stage needs, and whether it fits a GPU, before one is rented. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from octupus.config import load
from octupus.data.manifest import read_manifest
from octupus.errors import ConfigError, ManifestError, TrainingError
from octupus.train.config import StageConfig, WorkerRange, indivisible
from octupus.train.estimate.accelerators import Accelerator, accelerator
from octupus.train.estimate.flops import CONFIG_FILE, ModelShape, read_model_shape
from octupus.train.estimate.remedies import Remedy, find_remedies
from octupus.train.estimate.worker import (
    ASSUMED_MFU,
    PackTotals,
    StageEstimate,
    estimate_stage,
    resolve_auto,
    worker_memory,
)
from octupus.train.packs.prepared import PreparedData, read_prepared

USABLE_SHARE = 0.95
"""Share of a GPU's memory that tensors may fill; the rest is lost between them. An assumption, not a measurement."""

_GIB = 2**30
_UPPER_BOUND = "every pack is counted as one full document with every token trained, the most that it can be"


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the command line says besides the stage's configuration."""

    file: Path
    overrides: tuple[str, ...] = ()
    """Dotted flags of StageConfig with their values."""
    gpu: str | None = None
    gpus: int | None = None
    model_config: Path | None = None
    packs: int | None = None
    token_budget: int | None = None
    mfu: float = ASSUMED_MFU


def plan(options: PlanOptions) -> int:
    """Print what the stage needs; 0 when it fits, or when there is no GPU to compare with.

    Raises TrainingError when it does not fit, ConfigError or ManifestError when something to plan from is wrong.
    """
    if not 0 < options.mfu <= 1:
        raise ConfigError(f"--mfu {options.mfu:g} must lie between 0 and 1")
    config = load(StageConfig, arguments=[str(options.file), *options.overrides])
    chip = None if options.gpu is None else accelerator(options.gpu)
    dtype = resolve_auto(config, on_gpu=True).engine.dtype
    peak = None if chip is None else chip.peak_flops(dtype)
    if chip is not None and peak is None:
        raise ConfigError(f"GPU {chip.key} has no {dtype}; set engine.dtype float32, or take another GPU")
    workers = _workers(config, options.gpus)
    shape = _shape(config, options.model_config)
    packs, notes = _packs(config, options)
    estimate = estimate_stage(config, shape, packs, workers, peak, options.mfu)
    _show(config, estimate, chip, options.mfu, notes)
    if chip is not None and not _fits(estimate.memory.device.total, chip):
        raise TrainingError(_refusal(config, shape, packs, estimate, chip))
    return 0


def measure_packs(prepared: PreparedData) -> PackTotals:
    """Read from the shards what memory and FLOPs depend on: only the columns of lengths and of trained positions."""
    tokens = trained_tokens = squared_lengths = most_trained = 0
    for shard in prepared.shards:
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(columns=["lengths", "trained"]):
                lengths = batch.column("lengths").flatten().to_numpy().astype(np.int64)
                trained = batch.column("trained")
                ends = np.cumsum(trained.value_lengths().to_numpy())
                sums = np.concatenate([[0], np.cumsum(trained.flatten().to_numpy(zero_copy_only=False))])[ends]
                of_packs = np.diff(sums, prepend=0)
                tokens += int(lengths.sum())
                squared_lengths += int((lengths**2).sum())
                trained_tokens += int(of_packs.sum())
                most_trained = max(most_trained, int(of_packs.max()))
    return PackTotals(prepared.packs, prepared.token_budget, tokens, trained_tokens, squared_lengths, most_trained)


def _workers(config: StageConfig, gpus: int | None) -> int:
    chosen = config.scaling.workers if gpus is None else gpus
    if isinstance(chosen, WorkerRange):
        chosen = chosen.min
    if chosen == "auto":
        raise ConfigError("scaling.workers is auto, one for each GPU of the cluster; say how many with --gpus N")
    if chosen < 1:
        raise ConfigError(f"--gpus {chosen} must be at least 1")
    if config.engine.kind == "plain" and chosen != 1:
        raise ConfigError(f"engine.kind plain trains with one worker, not {chosen}")
    complaint = indivisible(config.data.packs_per_step, chosen)
    if complaint:
        raise ConfigError(complaint)
    return chosen


def _shape(config: StageConfig, model_config: Path | None) -> ModelShape:
    path = config.model if model_config is None else model_config
    if model_config is None and not (path / CONFIG_FILE).is_file():
        raise ConfigError(
            f"model {path} holds no {CONFIG_FILE}; give one with --model-config FILE, the weights are not needed"
        )
    return read_model_shape(path)


def _packs(config: StageConfig, options: PlanOptions) -> tuple[PackTotals, list[str]]:
    """The packs of the stage, and what has to be said about where they come from."""
    if options.packs is not None and options.token_budget is not None:
        return _full_packs(options.packs, options.token_budget), [f"--packs and --token-budget: {_UPPER_BOUND}"]
    if options.packs is not None or options.token_budget is not None:
        raise ConfigError("--packs and --token-budget stand in for prepared data together; give both")
    try:
        prepared = read_prepared(config.data.directory)
    except ManifestError as error:
        raise ManifestError(f"{error}; or plan without it: --packs N --token-budget T") from error
    if all(shard.is_file() for shard in prepared.shards):
        return measure_packs(prepared), []
    manifest = read_manifest(prepared.directory)
    full = _full_packs(manifest.packs, manifest.token_budget)
    totals = PackTotals(
        full.packs,
        full.token_budget,
        manifest.tokens,
        manifest.trained_tokens,
        full.squared_lengths,
        full.most_trained,
    )
    return totals, [f"the shards are not here, only their manifest: for memory and attention {_UPPER_BOUND}"]


def _full_packs(packs: int, token_budget: int) -> PackTotals:
    if packs < 1 or token_budget < 1:
        raise ConfigError(f"--packs {packs} and --token-budget {token_budget} must be at least 1")
    tokens = packs * token_budget
    return PackTotals(packs, token_budget, tokens, tokens, tokens * token_budget, token_budget)


def _fits(needed: int, chip: Accelerator) -> bool:
    return needed <= USABLE_SHARE * chip.memory_gib * _GIB


def _refusal(
    config: StageConfig, shape: ModelShape, packs: PackTotals, estimate: StageEstimate, chip: Accelerator
) -> str:
    """Why the stage does not fit, and what makes it fit."""

    def fits(changed: StageConfig, workers: int) -> bool:
        try:
            return _fits(worker_memory(changed, shape, packs, workers).device.total, chip)
        except ConfigError:  # the change contradicts engine.deepspeed_config
            return False

    device = estimate.memory.device
    largest = sorted(device.parts.items(), key=lambda part: -part[1])[:2]
    remedies = find_remedies(config, estimate.workers, fits)
    advice = "no change of the configuration makes it fit; take a GPU with more memory, or smaller packs"
    if remedies:
        shown = [_shown_remedy(remedy, shape, packs) for remedy in remedies]
        advice = f"{'any of these makes' if len(shown) > 1 else 'this makes'} it fit: {'; '.join(shown)}"
    return (
        f"{config.run.name} does not fit {chip.key}: a worker needs {_gib(device.total)} GiB during {device.moment}, "
        f"{USABLE_SHARE * chip.memory_gib:.1f} of {chip.memory_gib:g} GiB are usable; largest are "
        f"{' and '.join(f'{name} ({_gib(size)} GiB)' for name, size in largest)}; {advice}"
    )


def _shown_remedy(remedy: Remedy, shape: ModelShape, packs: PackTotals) -> str:
    memory = worker_memory(remedy.config, shape, packs, remedy.workers)
    host = f" ({_gib(memory.host)} GiB of host memory a worker)" if memory.host else ""
    *others, last = remedy.changes
    return (f"{', '.join(others)} and {last} together" if others else last) + host


def _show(
    config: StageConfig, estimate: StageEstimate, chip: Accelerator | None, mfu: float, notes: Sequence[str]
) -> None:
    engine = resolve_auto(config, on_gpu=True).engine
    device = estimate.memory.device
    sharding = "PyTorch alone" if engine.kind == "plain" else f"ZeRO {engine.zero_stage}"
    print(
        f"{config.run.name}: {estimate.workers} workers, {sharding}, {engine.dtype}, "
        f"attention {engine.attn_implementation}"
    )
    table = Table()
    table.add_column("memory of a worker")
    table.add_column("GiB", justify="right")
    for name, size in device.parts.items():
        table.add_row(name, _gib(size))
    table.add_section()
    table.add_row(f"all, during {device.moment}", _gib(device.total))
    if chip is not None:
        table.add_row(f"{chip.key}, usable", f"{USABLE_SHARE * chip.memory_gib:.1f}")
    table.add_row("host, by offloading", _gib(estimate.memory.host))
    if estimate.memory.disk:
        table.add_row("NVMe, by offloading", _gib(estimate.memory.disk))
    Console().print(table)
    print(f"parameters      {estimate.parameters:,}, of which {estimate.trained_parameters:,} are trained")
    print(f"steps           {estimate.steps:,}")
    print(f"tokens          {estimate.tokens:,}, of which {estimate.trained_tokens:,} are trained")
    print(f"model FLOPs     {estimate.flops:.3g}")
    if estimate.hours is None:
        print("hours           not known without --gpu, and nothing was compared with a GPU's memory")
    else:
        print(f"hours           {estimate.hours:.1f}, if {mfu:.0%} of the peak is reached (an assumption)")
    for note in notes:
        print(f"note            {note}")


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f}"

"""What follows from a stage's configuration and its data alone; loads no torch, so the launcher can ask it early."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from octupus.config import StrictModel
from octupus.train.config import StageConfig
from octupus.train.engine.deepspeed_config import read_deepspeed_json
from octupus.train.model.directory import record_sha256
from octupus.train.packs.order import PackPlan
from octupus.train.packs.prepared import PreparedData

Settings = TypeVar("Settings", bound=StrictModel)


def absolute(config: StageConfig) -> StageConfig:
    """The configuration with absolute paths, since workers run in directories of their own, and with the content of
    a DeepSpeed file instead of its path: workers on other nodes may not see it, and its content decides."""
    return config.model_copy(
        update={
            "run": config.run.model_copy(update={"storage": _absolute_location(config.run.storage)}),
            "model": config.model.absolute(),
            "data": config.data.model_copy(update={"directory": config.data.directory.absolute()}),
            "engine": _absolute_paths(config.engine, "offload_directory").model_copy(
                update={"deepspeed_config": _content(config.engine.deepspeed_config)}
            ),
            "evaluation": config.evaluation and _absolute_paths(config.evaluation, "directory"),
            "export": None if config.export is None else config.export.absolute(),
        }
    )


def _content(written: Path | dict[str, Any] | None) -> dict[str, Any] | None:
    return read_deepspeed_json(written) if isinstance(written, Path) else written


def _absolute_location(location: str) -> str:
    return location if "://" in location else str(Path(location).absolute())


def _absolute_paths(settings: Settings, *names: str) -> Settings:
    paths = {name: getattr(settings, name) for name in names}
    return settings.model_copy(update={name: path and path.absolute() for name, path in paths.items()})


def pack_plan(config: StageConfig, prepared: PreparedData) -> PackPlan:
    """The order of packs of the stage."""
    return PackPlan(config.data.seed, prepared.packs, config.data.packs_per_step)


def training_sha256(config: StageConfig, prepared: PreparedData) -> str:
    """Hash of everything that decides the trained weights: start model, data, optimizer, adapters, engine."""
    decisive = config.model_dump(mode="json", include={"model", "data", "optimizer", "lora", "engine"})
    canonical = json.dumps([decisive, record_sha256(config.model), prepared.sha256], sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def total_steps(config: StageConfig, prepared: PreparedData) -> int:
    """Optimizer steps of the stage."""
    return config.data.steps or pack_plan(config, prepared).steps(config.data.epochs)


def lineage_entry(config: StageConfig, prepared: PreparedData) -> dict[str, Any]:
    """What octupus.json of the export says about this run."""
    return {
        "job": "train",
        "run": config.run.name,
        "start": str(config.model),
        "steps": total_steps(config, prepared),
        "manifest_sha256": prepared.sha256,
        "training_sha256": training_sha256(config, prepared),
    }

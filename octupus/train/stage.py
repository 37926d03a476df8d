"""What follows from a stage's configuration and its data alone; loads no torch, so the launcher can ask it early."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from octupus.train.config import StageConfig
from octupus.train.model_directory import record_sha256
from octupus.train.plan import PackPlan
from octupus.train.prepared import PreparedData


def absolute(config: StageConfig) -> StageConfig:
    """The configuration with absolute paths, since workers run in directories of their own."""
    return config.model_copy(
        update={
            "run": config.run.model_copy(update={"storage": config.run.storage.absolute()}),
            "model": config.model.absolute(),
            "data": config.data.model_copy(update={"directory": config.data.directory.absolute()}),
            "export": None if config.export is None else config.export.absolute(),
        }
    )


def pack_plan(config: StageConfig, prepared: PreparedData) -> PackPlan:
    """The order of packs of the stage."""
    return PackPlan(config.data.seed, prepared.packs, config.data.packs_per_step)


def training_sha256(config: StageConfig, prepared: PreparedData) -> str:
    """Hash of everything that decides the trained weights: start model, data, optimizer, engine."""
    decisive = config.model_dump(mode="json", include={"model", "data", "optimizer", "engine"})
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

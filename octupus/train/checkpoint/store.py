"""Which checkpoints a run has: `<run>/step_00000123/{state.json, share_<rank>.json, rng_<rank>.pt, ds/...}`.

Each worker stores its share and then `share_<rank>.json`, which lists the share's files and sizes. When all shares are
stored, rank 0 writes `state.json`. A checkpoint counts when it has `state.json` and every listed file has its size, so
one whose writing was cut off, anywhere, is never chosen.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from octupus.errors import TrainingError
from octupus.telemetry import event
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.model.directory import record_sha256
from octupus.train.packs.prepared import PreparedData

STATE = "state.json"
_PREFIX = "step_"

logger = logging.getLogger(__name__)

_MAY_CHANGE = {"run", "scaling", "checkpoint", "evaluation", "tracking", "export"}
"""Parts of a configuration that decide nothing about the weights."""


@dataclass(frozen=True)
class RunIdentity:
    """What must stay the same for a run to continue: otherwise some packs would be trained twice and others never,
    or the stored state would not fit. Names are those of the configuration."""

    values: Mapping[str, Any]

    @staticmethod
    def of(config: StageConfig, prepared: PreparedData) -> RunIdentity:
        """The identity of a run whose `auto` values are decided."""
        lora = config.lora
        return RunIdentity(
            {
                "data.seed": config.data.seed,
                "data.packs_per_step": config.data.packs_per_step,
                "the sha256 of the data's manifest": prepared.sha256,
                "the sha256 of the start model's record": record_sha256(config.model),
                "engine.kind": config.engine.kind,
                "engine.zero_stage": config.engine.zero_stage,
                "engine.dtype": config.engine.dtype,
                "lora": None if lora is None else lora.model_dump(mode="json"),
            }
        )


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: its state.json."""

    step: int
    """Steps done."""
    tokens: int
    """Tokens seen over all workers."""
    workers: int
    identity: dict[str, Any]
    config: dict[str, Any]
    versions: dict[str, str]

    @property
    def directory(self) -> str:
        """Its directory's name in the run's storage."""
        return directory_name(self.step)

    def require(self, identity: RunIdentity) -> None:
        """Raise TrainingError, naming both values, when this checkpoint belongs to another run."""
        for name, value in identity.values.items():
            if self.identity.get(name) != value:
                raise TrainingError(
                    f"the checkpoint of step {self.step} was written with {name} {self.identity.get(name)}, but this "
                    f"run has {value}; restore the old value, or start anew under another run.name"
                )

    def changes(self, config: StageConfig) -> dict[str, tuple[Any, Any]]:
        """Settings that decide about weights and differ from this checkpoint's, by dotted name: old and new value."""
        old = _flat({key: value for key, value in self.config.items() if key not in _MAY_CHANGE})
        new = _flat({key: value for key, value in config.model_dump(mode="json").items() if key not in _MAY_CHANGE})
        return {
            name: (old.get(name), new.get(name))
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        }


def directory_name(step: int) -> str:
    """Name of a checkpoint's directory."""
    return f"{_PREFIX}{step:08d}"


def share_name(rank: int) -> str:
    """Name of the file that lists a worker's share."""
    return f"share_{rank}.json"


def share_record(sizes: Mapping[str, int]) -> bytes:
    """Content of that file."""
    return json.dumps({"files": dict(sizes)}, indent=1).encode()


def commit(storage: Storage, checkpoint: Checkpoint) -> None:
    """Make a checkpoint count; every share must be stored."""
    storage.write(f"{checkpoint.directory}/{STATE}", (json.dumps(asdict(checkpoint), indent=2) + "\n").encode())


def newest(storage: Storage) -> Checkpoint | None:
    """The newest complete checkpoint. Ones that are not complete are passed over, with an event that says why."""
    for name in reversed(_names(storage)):
        try:
            return _read(storage, name)
        except _IncompleteError as reason:
            event(logger, "checkpoint.incomplete", run=storage.location, checkpoint=name, reason=reason)
    return None


def kept(storage: Storage) -> list[str]:
    """Directories of the checkpoints that count, oldest first."""
    return [name for name in _names(storage) if storage.read(f"{name}/{STATE}") is not None]


def clear_after(storage: Storage, step: int) -> None:
    """Delete what is newer than `step`: beginnings of checkpoints that were never completed."""
    for name in _names(storage):
        if int(name.removeprefix(_PREFIX)) > step:
            storage.delete(name)


def prune(storage: Storage, keep: int) -> None:
    """Delete all but the `keep` newest."""
    for name in _names(storage)[:-keep]:
        storage.delete(name)


class _IncompleteError(Exception):
    """Why a checkpoint does not count."""


def _read(storage: Storage, name: str) -> Checkpoint:
    content = storage.read(f"{name}/{STATE}")
    if content is None:
        raise _IncompleteError("it has no state.json")
    try:
        checkpoint = Checkpoint(**json.loads(content))
        shares = [_listed(storage, name, rank) for rank in range(checkpoint.workers)]
    except (ValueError, TypeError, KeyError) as error:
        raise _IncompleteError(f"its records are damaged: {error}") from error
    sizes = storage.sizes(name)
    for file, size in (entry for share in shares for entry in share.items()):
        if sizes.get(file) != size:
            raise _IncompleteError(f"{file} has {sizes.get(file, 'no')} bytes instead of {size}")
    return checkpoint


def _listed(storage: Storage, name: str, rank: int) -> dict[str, int]:
    content = storage.read(f"{name}/{share_name(rank)}")
    if content is None:
        raise _IncompleteError(f"it has no {share_name(rank)}")
    files: dict[str, int] = json.loads(content)["files"]
    return files


def _names(storage: Storage) -> list[str]:
    return [name for name in storage.directories() if name.startswith(_PREFIX) and name[len(_PREFIX) :].isdigit()]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat

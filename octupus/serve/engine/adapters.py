"""LoRA adapters in a directory: their names, and the checks that keep one that vLLM cannot apply away from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from octupus.errors import RequestError

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
MERGE = "merge it into its model with jobs/merge_lora.py and serve that"


class Adapters:
    """The folders of `directory` that hold an adapter in PEFT's format; looked up anew at each use.

    A folder is served under its own name. A directory of None has no adapters.
    """

    def __init__(self, directory: Path | None, max_lora_rank: int = 512) -> None:
        self._directory = directory
        self._max_lora_rank = max_lora_rank

    def names(self) -> list[str]:
        """Sorted names."""
        return sorted(self._folders())

    def path(self, name: str) -> Path:
        """The folder of an adapter that can be served.

        Raises RequestError: 404 model_not_found when there is none of that name, 400 adapter_not_servable when vLLM
        could not apply it.
        """
        folders = self._folders()
        if name not in folders:
            known = ", ".join(repr(each) for each in sorted(folders)) or "none"
            raise RequestError(
                f"there is no adapter {name!r}; adapters served: {known}", "model", "model_not_found", status=404
            )
        folder = folders[name]
        complaint = _complaint(folder, self._max_lora_rank)
        if complaint:
            raise RequestError(f"the adapter {name!r} cannot be served: {complaint}", "model", "adapter_not_servable")
        return folder

    def _folders(self) -> dict[str, Path]:
        # Names come from the directory and are never joined to a path, so that none can lead out of it.
        if self._directory is None or not self._directory.is_dir():
            return {}
        return {
            folder.name: folder
            for folder in self._directory.iterdir()
            if not folder.name.startswith(".") and (folder / CONFIG).is_file()
        }


@dataclass(frozen=True)
class AdapterVersion:
    """One state of an adapter's files, copied where nobody changes them."""

    identifier: int
    """vLLM's lora_int_id: one for each state of each adapter, from 1."""
    name: str
    """vLLM's lora_name. It differs from state to state, since vLLM's prefix cache tells adapters apart by it."""
    path: Path


class AdapterVersions:
    """Gives each state of each adapter its own identifier and its own copy.

    vLLM reads an adapter again after it was evicted, in the middle of a step, where a file that is gone or half
    written would end the engine; so it never sees the folder that people write to.
    """

    def __init__(self, adapters: Adapters, copies: Path) -> None:
        self._adapters = adapters
        self._copies = copies
        self._identifiers = count(1)
        self._versions: dict[str, tuple[Any, AdapterVersion]] = {}

    def version(self, name: str) -> AdapterVersion:
        """The adapter as its files are now. Raises RequestError as `Adapters.path`."""
        folder = self._adapters.path(name)
        state = [(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in _files(folder)]
        known = self._versions.get(name)
        if known is not None and known[0] == state:
            return known[1]
        identifier = next(self._identifiers)
        copy = self._copies / str(identifier)
        copy.mkdir(parents=True)
        for file in _files(folder):
            shutil.copyfile(file, copy / file.name)
        version = AdapterVersion(identifier, f"{name}@{identifier}", copy)
        self._versions[name] = state, version
        return version


def _files(folder: Path) -> Iterator[Path]:
    """The files that vLLM reads."""
    for name in (CONFIG, *WEIGHTS):
        if (folder / name).is_file():
            yield folder / name


def _complaint(folder: Path, max_lora_rank: int) -> str | None:
    """Why vLLM could not apply the adapter, and what to do; None when it can."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        return f"its {CONFIG} cannot be read ({error}); export it again"
    if not isinstance(config, dict):
        return f"its {CONFIG} holds no object; export it again"
    if not any((folder / name).is_file() for name in WEIGHTS):
        return f"it has neither {WEIGHTS[0]} nor {WEIGHTS[1]}; export it again"
    if config.get("peft_type", "LORA") != "LORA":
        return f"it is of PEFT's type {config['peft_type']}, not LORA; {MERGE}"
    for key, what in _UNSUPPORTED.items():
        if config.get(key):
            return f"{what} ({CONFIG}: {key}), which vLLM does not apply; {MERGE}"
    if config.get("bias", "none") != "none":
        return f"it trains biases ({CONFIG}: bias), which vLLM does not apply; {MERGE}"
    rank = config.get("r")
    if not isinstance(rank, int) or rank < 1:
        return f"its rank is {rank!r} ({CONFIG}: r), not a positive number; export it again"
    if rank > max_lora_rank:
        return f"its rank is {rank}, and adapters.max_lora_rank is {max_lora_rank}; raise that"
    return None


_UNSUPPORTED = {
    "modules_to_save": "it holds whole modules",
    "trainable_token_indices": "it trains embedding rows of control tokens",
    "use_dora": "it is a DoRA adapter",
    "rank_pattern": "its layers differ in rank",
    "alpha_pattern": "its layers differ in scale",
}
"""Keys of PEFT's configuration that vLLM refuses, or passes over so that the adapter would silently act otherwise."""

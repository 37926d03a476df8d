"""`octupus check`: every configuration file against the model that will read it, before anything is started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from octupus.config import read_yaml, resolve
from octupus.data.config import PrepareConfig
from octupus.data.reanswer.config import ReanswerConfig
from octupus.errors import ConfigError
from octupus.evaluate.bfcl.config import EvaluateBfclConfig
from octupus.evaluate.calls.config import EvaluateCallsConfig
from octupus.quickstart.config import SmallModelConfig
from octupus.serve.config import ServeConfig
from octupus.train.config import StageConfig, VocabularyConfig
from octupus.train.model.merge_config import MergeConfig

_MODELS: dict[str, type[BaseModel]] = {
    "prepare": PrepareConfig,
    "reanswer": ReanswerConfig,
    "train": StageConfig,
    "edit_tokenizer": VocabularyConfig,
    "merge_lora": MergeConfig,
    "evaluate_bfcl": EvaluateBfclConfig,
    "evaluate_calls": EvaluateCallsConfig,
    "make_small_model": SmallModelConfig,
}


def check_files(paths: Sequence[Path]) -> int:
    """Check files, and all YAML files below directories; 0 when all are right."""
    wrong = 0
    for file in _files(paths):
        try:
            check_file(file)
        except ConfigError as error:
            wrong += 1
            print(f"wrong  {file}: {error}")
        else:
            print(f"right  {file}")
    return 2 if wrong else 0


def check_file(file: Path) -> None:
    """Raises ConfigError when the file is not what its reader takes. The file's name tells who reads it."""
    values = read_yaml(file)
    if "applications" in values:
        for application in values["applications"]:
            resolve(ServeConfig, application.get("args", {}), str(file))
        return
    model = next((model for prefix, model in _MODELS.items() if file.stem.startswith(prefix)), None)
    if model is None:
        raise ConfigError(f"no reader is known for it; names begin with {', '.join(_MODELS)}")
    resolve(model, values, str(file))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.yaml"))
        elif path.is_file():
            yield path
        else:
            raise ConfigError(f"{path} does not exist")

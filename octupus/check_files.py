"""`octupus check`: every configuration file against what will read it, before anything is started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from octupus.agent.generate.config import GenerateConfig
from octupus.agent.judge.config import EvaluateToolbenchConfig
from octupus.agent.retrieve.config import RetrieverAppConfig, RetrieverConfig
from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.stream.config import AgentAppConfig
from octupus.clusters.config import ClusterConfig
from octupus.clusters.launch_files import check_launch_file, kind_of, serve_blocks
from octupus.clusters.launch_schemas import known_share
from octupus.config import nearest, read_yaml, resolve
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
    "train_retriever": RetrieverConfig,
    "train": StageConfig,
    "edit_tokenizer": VocabularyConfig,
    "merge_lora": MergeConfig,
    "evaluate_bfcl": EvaluateBfclConfig,
    "evaluate_calls": EvaluateCallsConfig,
    "make_small_model": SmallModelConfig,
    "annotate": AnnotateConfig,
    "generate_tasks": GenerateConfig,
    "evaluate_toolbench": EvaluateToolbenchConfig,
    "cluster": ClusterConfig,
}
"""By the beginning of the file's name; of two that fit, the one that stands first."""
_APPLICATIONS: dict[str, type[BaseModel]] = {
    "octupus.serve.app:build": ServeConfig,
    "octupus.agent.stream.app:build": AgentAppConfig,
    "octupus.agent.retrieve.deployment:build": RetrieverAppConfig,
}
"""What `args` of a Serve application may hold, by its import path."""


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
    """Raises ConfigError when the file is not what its reader takes."""
    check_values(read_yaml(file), file)


def check_values(values: dict[str, Any], file: Path) -> None:
    """Check what stands in `file`: its name tells which job reads it; a launcher's file is told by its keys.

    Raises ConfigError. A file named like a job's is a launcher's where its keys say so: clusters/sky/train_stg1.yaml.
    """
    model = next((model for prefix, model in _MODELS.items() if file.stem.startswith(prefix)), None)
    if model is not None and (known_share(values, model.model_fields) > 0.5 or kind_of(values) is None):
        resolve(model, values, str(file))
    elif kind_of(values) is not None:
        check_launch_file(values, str(file))
        for block in serve_blocks(values):
            _check_serve_arguments(block, str(file))
    else:
        raise ConfigError(
            f"no reader is known for it; names of jobs' files begin with {', '.join(_MODELS)}, and most keys of "
            "another must be of a Serve config, a `ray up` file, KubeRay, SkyPilot or a runtime_env"
        )


def _check_serve_arguments(block: Mapping[str, Any], origin: str) -> None:
    for application in block["applications"]:
        path = application["import_path"]
        if path not in _APPLICATIONS:
            near = nearest(path, _APPLICATIONS) or ", ".join(_APPLICATIONS)
            raise ConfigError(f"{origin}: import_path {path!r} is none of octupus's; did you mean {near!r}?")
        resolve(_APPLICATIONS[path], application.get("args", {}), origin)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.yaml"))
        elif path.is_file():
            yield path
        else:
            raise ConfigError(f"{path} does not exist")

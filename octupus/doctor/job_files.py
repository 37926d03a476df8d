"""What the configuration files of jobs and deployments want of a cluster: storages, inputs, credentials, a port.

Only looks; `octupus check` says whether the files are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.config import read_yaml
from octupus.nodes.facts import HUB_LOGIN, WANDB_LOGIN
from octupus.nodes.findings import Finding, warning


@dataclass(frozen=True)
class CredentialWant:
    """Something outside that a file names, and the credentials of which one will do."""

    origin: str
    what: str
    any_of: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Wants:
    """What files want."""

    storages: tuple[str, ...] = ()
    """Written by the driver or a worker, and read by others."""
    inputs: tuple[str, ...] = ()
    """Local paths that workers read."""
    credentials: tuple[CredentialWant, ...] = ()
    port: int | None = None
    """Where a deployment's endpoint will listen."""


def read_wants(files: Iterable[Path]) -> Wants:
    """What the files want together. Raises ConfigError where one is missing or no YAML."""
    found = [wants_of(read_yaml(file), str(file)) for file in files]
    return Wants(
        storages=_once(name for wants in found for name in wants.storages),
        inputs=_once(name for wants in found for name in wants.inputs),
        credentials=tuple(want for wants in found for want in wants.credentials),
        port=next((wants.port for wants in found if wants.port is not None), None),
    )


def wants_of(values: Mapping[str, Any], origin: str) -> Wants:
    """What one file's values want; keys as in StageConfig, RetrieverConfig, PrepareConfig and ServeConfig."""
    if "applications" in values:
        return _wants_of_serving(values)
    if isinstance(values.get("run"), Mapping):
        return _wants_of_training(values, origin)
    if "run" in values:
        return _wants_of_training_a_retriever(values)
    if "sources" in values or "mixture_file" in values:
        return _wants_of_preparing(values, origin)
    return Wants()


def credential_findings(wants: Iterable[CredentialWant], present: Iterable[str]) -> list[Finding]:
    """A warning for each want of which no credential is present on any machine; names only are known."""
    names = set(present)
    return [
        warning(want.origin, f"names {want.what}, and no {' or '.join(want.any_of)} is set", want.remedy)
        for want in wants
        if names.isdisjoint(want.any_of)
    ]


def _wants_of_preparing(values: Mapping[str, Any], origin: str) -> Wants:
    credentials = []
    sources = [source for source in values.get("sources") or () if isinstance(source, Mapping)]
    corpora = _once(str(source["corpus"]) for source in sources if source.get("corpus") and not source.get("path"))
    if corpora or values.get("mixture_file"):
        credentials.append(_hub(origin, f"corpora of the Hugging Face hub ({', '.join(corpora) or 'a mixture_file'})"))
    return Wants(_strings([values.get("output")]), _local([values.get("model")]), tuple(credentials))


def _wants_of_training(values: Mapping[str, Any], origin: str) -> Wants:
    storages = [_at(values, "run", "storage")]
    if isinstance(values.get("export"), str):
        storages.append(str(Path(values["export"]).parent))  # a worker writes it, and the next stage reads it
    inputs = [values.get("model"), _at(values, "data", "directory"), _at(values, "evaluation", "directory")]
    credentials = []
    if _at(values, "tracking", "wandb_project"):
        credentials.append(
            CredentialWant(
                origin,
                "Weights & Biases (tracking.wandb_project)",
                ("WANDB_API_KEY", "WANDB_MODE", WANDB_LOGIN),
                "set WANDB_API_KEY where the workers run, in the environment of `ray start` or a file that it reads",
            )
        )
    if _at(values, "tracking", "mlflow_experiment"):
        credentials.append(
            CredentialWant(
                origin,
                "MLflow (tracking.mlflow_experiment)",
                ("MLFLOW_TRACKING_URI",),
                "set MLFLOW_TRACKING_URI where the workers run; without it they write to a local directory each",
            )
        )
    return Wants(_strings(storages), _local(inputs), tuple(credentials))


def _wants_of_training_a_retriever(values: Mapping[str, Any]) -> Wants:
    written = [values.get("run"), values.get("export"), _at(values, "index", "directory")]
    paths = _at(values, "data", "paths")
    read = [values.get("encoder"), *(paths if isinstance(paths, list) else [])]
    return Wants(_strings(written), _local(read))


def _wants_of_serving(values: Mapping[str, Any]) -> Wants:
    applications = [entry for entry in values["applications"] or () if isinstance(entry, Mapping)]
    read = [_at(entry, "args", *path) for entry in applications for path in (("model", "source"), ("index",))]
    port = _at(values, "http_options", "port")
    return Wants(inputs=_local(read), port=port if isinstance(port, int) else None)


def _hub(origin: str, what: str) -> CredentialWant:
    return CredentialWant(
        origin,
        what,
        ("HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", HUB_LOGIN),
        "set HF_TOKEN where the workers run if one of them asks for it (gated corpora answer 401 without), or log in "
        "with `hf auth login`",
    )


def _at(values: Mapping[str, Any], *path: str) -> Any:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _strings(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str) and value)


def _local(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(value for value in _strings(values) if "://" not in value)


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))

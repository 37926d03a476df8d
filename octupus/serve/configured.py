"""The application of a configuration file as an object, for `serve build`, which takes no arguments.

OCTUPUS_SERVE_CONFIG=serve_configs/oai.yaml serve build octupus.serve.configured:app -o built.yaml

The variable must be set where the built file is deployed, too. `serve run` and `serve deploy` take the file itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ray.serve import Application

from octupus.config import read_yaml
from octupus.errors import ConfigError
from octupus.serve.app import build

VARIABLE = "OCTUPUS_SERVE_CONFIG"


def __getattr__(name: str) -> Application:
    """`app`, built when it is asked for. Raises ConfigError."""
    if name != "app":
        raise AttributeError(name)
    return build(arguments_of(os.environ))


def arguments_of(environment: Any) -> dict[str, Any]:
    """The `args` of the file that the variable names. Raises ConfigError."""
    file = environment.get(VARIABLE)
    if not file:
        raise ConfigError(f"set {VARIABLE} to a file of serve_configs/, since `serve build` passes no arguments")
    applications = read_yaml(Path(file)).get("applications") or []
    if len(applications) != 1:
        raise ConfigError(f"{file} must hold one application, and holds {len(applications)}")
    args: dict[str, Any] = applications[0].get("args") or {}
    return args

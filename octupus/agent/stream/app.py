"""The agent's Serve application: `import_path: octupus.agent.stream.app:build` in serve_configs/agent.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from octupus.agent.stream.config import AgentAppConfig
from octupus.config import resolve

if TYPE_CHECKING:
    from ray.serve import Application


def build(args: dict[str, Any]) -> Application:
    """The application for `args`, an AgentAppConfig as plain values. Raises ConfigError before anything is deployed."""
    config = with_absolute_paths(resolve(AgentAppConfig, args, "args of the agent application"))
    from octupus.agent.stream.deployment import application

    return application(config)


def with_absolute_paths(config: AgentAppConfig) -> AgentAppConfig:
    """The configuration for a replica, whose working directory is another one."""
    keys = config.access.api_keys_file
    return config.model_copy(
        update={
            "tools": tuple(source.with_absolute_paths() for source in config.tools),
            "access": config.access.model_copy(update={"api_keys_file": keys.absolute() if keys else None}),
        }
    )

"""The agent's configuration, and how its application is built from it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.stream.app import build, with_absolute_paths
from octupus.agent.stream.config import AgentAppConfig
from octupus.config import read_yaml, resolve
from octupus.errors import ConfigError

ROOT = Path(__file__).parents[3]


def test_the_file_of_serve_configs_holds_the_endpoint_and_the_agent() -> None:
    values = read_yaml(ROOT / "serve_configs" / "agent.yaml")
    places = {each["route_prefix"]: each["import_path"] for each in values["applications"]}
    assert places == {"/": "octupus.serve.app:build", "/agent": "octupus.agent.stream.app:build"}
    endpoint, agent = (each["args"] for each in values["applications"])
    config = resolve(AgentAppConfig, agent, "agent.yaml")
    assert config.model == endpoint["model"]["id"]
    options = values["http_options"]
    assert options["host"] == "127.0.0.1"
    assert config.endpoint.base_url == f"http://127.0.0.1:{options['port']}/v1"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"toools": []}, "did you mean 'tools'"),
        ({"tools": []}, "tools"),
        ({"tools": [{"library": ["all"], "python": "x"}]}, "exactly one"),
        ({"solver": {"method": "BFS"}}, "unknown"),
        ({"methods": ["CoT@1", "BFS"]}, "unknown"),
        ({"methods": ["CoT@1"]}, "is not among methods"),
        ({"top_k": 65}, "max_top_k"),
        ({"offer": "all", "retriever_url": "http://127.0.0.1:1"}, "take one of them out"),
        ({"limits": {"max_concurrent_run": 2}}, "did you mean 'limits.max_concurrent_runs'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_deployed(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(values)


def test_paths_are_absolute_for_a_replica_whose_directory_is_another() -> None:
    config = AgentAppConfig.model_validate(
        {
            "tools": [
                {"python": "tools/mine.py"},
                {"python": "package.module"},
                {"toolbench": "toolenv"},
                {"openapi": "api.yaml"},
                {"openapi": "https://example.org/api.json"},
            ],
            "access": {"api_keys_file": "keys"},
        }
    )
    absolute = with_absolute_paths(config)
    here = Path.cwd()
    assert [source.python or source.toolbench or source.openapi for source in absolute.tools] == [
        str(here / "tools/mine.py"),
        "package.module",
        here / "toolenv",
        str(here / "api.yaml"),
        "https://example.org/api.json",
    ]
    assert absolute.access.api_keys_file == here / "keys"


def test_the_service_needs_no_ray() -> None:
    code = (
        "import sys, octupus.agent.stream.app, octupus.agent.stream.api\n"
        "print([name for name in ('ray', 'torch', 'transformers', 'vllm') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert printed.stdout.strip() == "[]"

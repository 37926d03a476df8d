"""What a configuration may say of a source of tools."""

from typing import Any

import pytest

from octupus.agent.tools.config import ToolSourceConfig
from octupus.config import resolve
from octupus.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "this one has none"),
        ({"library": ["bank"], "python": "tools.py"}, "this one has library and python"),
        ({"library": ["bank"], "authorization_env": "KEY"}, "library sends no such header"),
        ({"mcp_url": "http://host/mcp", "base_url": "http://host"}, "mcp_url has no use for it"),
        ({"mcp_command": []}, "mcp_command is empty"),
        ({"libary": ["bank"]}, "did you mean 'library'"),
    ],
)
def test_what_fits_no_source_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve(ToolSourceConfig, values, "a test")


def test_each_kind_stands_alone() -> None:
    for values in (
        {"library": ["all"]},
        {"python": "my.tools"},
        {"toolbench": "toolenv/tools"},
        {"openapi": "https://host/openapi.json", "base_url": "https://host", "authorization_env": "KEY"},
        {"mcp_command": ["python", "server.py"]},
        {"mcp_url": "http://host/mcp", "authorization_env": "KEY"},
    ):
        assert resolve(ToolSourceConfig, values, "a test")

"""A directory of tools as ToolBench lays it out, read without running anything and run in sandboxes."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbench_source import ToolBenchSource, toolbench_sources
from octupus.errors import ConfigError

CODE = '''
import json

RAN = open("/etc/passwd") if False else None

def latest(colisid: str, is_id: str = "x", toolbench_rapidapi_key: str = "key"):
    """Runs."""
    return {"error": "", "response": json.dumps([colisid, is_id])}

def count_all(limit: float = 3, verbose=False):
    return [limit, verbose]

def broken():
    return undefined_name

def plain():
    return "not JSON but text"

def of_bytes():
    return b"bytes"
'''


def _api(name: str, required: list[dict[str, Any]] | None = None, optional: list[dict[str, Any]] | None = None) -> Any:
    return {
        "name": name,
        "url": "https://example.org",
        "description": f"About {name}. " + "x" * 300,
        "method": "GET",
        "required_parameters": required or [],
        "optional_parameters": optional or [],
    }


def _parameter(name: str, kind: str, default: Any = "") -> dict[str, Any]:
    return {"name": name, "type": kind, "description": f"The {name}", "default": default}


def _write(directory: Path, category: str, tool: str, apis: list[Any], code: str | None) -> None:
    (directory / category / tool).mkdir(parents=True)
    document = {
        "tool_description": "Follows parcels. " + "y" * 600,
        "tool_name": tool.replace("_", "-"),
        "title": tool,
        "standardized_name": tool,
        "api_list": apis,
    }
    (directory / category / f"{tool}.json").write_text(json.dumps(document))
    if code is not None:
        (directory / category / tool / "api.py").write_text(code)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    parameters = [
        _parameter("limit", "NUMBER", 3.5),
        _parameter("verbose", "BOOLEAN", "true"),
        _parameter("extra", "STRING"),
    ]
    apis = [
        _api("Latest", [_parameter("colisId", "STRING", "CA1")], [_parameter("id", "STRING", "y")]),
        _api("Count All", [], parameters),
        _api("Broken"),
        _api("Plain"),
        _api("Of bytes"),
        _api("Missing"),
    ]
    _write(tmp_path, "Logistics", "suivi_colis", apis, CODE)
    _write(tmp_path, "Logistics", "without_code", [_api("Latest")], None)
    _write(tmp_path, "Data", "numbers", [_api("Plain")], "def plain():\n    return 1\n")
    return tmp_path


def _with(directory: Path, test: Any, only: tuple[str, ...] = (), limits: LimitsConfig | None = None) -> None:
    async def whole() -> None:
        sources = await toolbench_sources(directory, limits or LimitsConfig(), only)
        try:
            await test(sources)
        finally:
            for source in sources:
                await source.close()

    asyncio.run(whole())


def test_what_can_be_run_is_offered(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "octupus.agent.tools")
    logging.getLogger("octupus").propagate = True

    async def test(sources: list[ToolBenchSource]) -> None:
        assert [[entry.name for entry in source.entries] for source in sources] == [
            ["plain_for_numbers"],
            [f"{api}_for_suivi_colis" for api in ("latest", "count_all", "broken", "plain", "of_bytes")],
        ]
        entry = sources[1].entries[0]
        assert (entry.category, entry.collection, entry.api) == ("Logistics", "suivi-colis", "Latest")
        function = entry.tool.function
        assert "About Latest." in function.description
        assert "x" * 240 in function.description
        assert "x" * 257 not in function.description
        assert "y" * 480 in function.description
        assert "y" * 513 not in function.description
        assert function.parameters == {
            "type": "object",
            "properties": {
                "colisid": {"type": "string", "description": "The colisId", "examples": ["CA1"]},
                "is_id": {"type": "string", "description": "The id", "default": "y"},
            },
            "required": ["colisid"],
            "additionalProperties": False,
        }
        # An optional parameter stands there without a required one; what the function does not take does not.
        assert sources[1].entries[1].tool.function.parameters["properties"] == {
            "limit": {"type": "number", "description": "The limit", "default": 3.5},
            "verbose": {"type": "boolean", "description": "The verbose", "default": True},
        }

    _with(directory, test)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "tools=2 apis=6 tools_without_code=1 apis_without_function=1" in line


def test_calls_run_in_sandboxes(directory: Path) -> None:
    async def test(sources: list[ToolBenchSource]) -> None:
        source = sources[1]
        assert await source.initial_state(1) is None
        for name, arguments, status, text in (
            ("latest", {"colisid": "A"}, Status.OK, '{"error": "", "response": "[\\"A\\", \\"x\\"]"}'),
            ("count_all", {"limit": 2.5}, Status.OK, "[2.5, false]"),
            ("plain", {}, Status.OK, '"not JSON but text"'),
            ("broken", {}, Status.TOOL_ERROR, "NameError: name 'undefined_name' is not defined"),
            ("of_bytes", {}, Status.REQUEST_ERROR, None),
        ):
            result, state = await source.call(f"{name}_for_suivi_colis", arguments, None)
            assert result.status == status
            assert state is None
            assert text is None or result.text == text

    _with(directory, test)


def test_an_api_py_that_cannot_be_imported_is_the_result_of_its_calls(directory: Path) -> None:
    (directory / "Data" / "numbers" / "api.py").write_text("import no_such_module\n\ndef plain():\n    return 1\n")

    async def test(sources: list[ToolBenchSource]) -> None:
        result, _ = await sources[0].call("plain_for_numbers", {}, None)
        assert result.status == Status.REQUEST_ERROR
        assert "no_such_module" in result.text

    _with(directory, test)


def test_only_some(directory: Path) -> None:
    async def test(sources: list[ToolBenchSource]) -> None:
        assert [entry.name for source in sources for entry in source.entries] == ["plain_for_suivi_colis"]

    _with(directory, test, ("plain_for_suivi_colis",))
    with pytest.raises(ConfigError, match="did you mean 'plain_for_numbers'"):
        _with(directory, test, ("plain_for_number",))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("Data/numbers.json", "{", r"numbers\.json is no JSON"),
        ("Data/numbers.json", "[]", "no api_list"),
        ("Data/numbers.json", '{"api_list": [{"url": ""}]}', "entry 0 of api_list has no name"),
        ("Data/numbers.json", '{"api_list": [{"name": "Plain", "required_parameters": [1]}]}', "parameters of Plain"),
        ("Data/numbers/api.py", "def plain(:", r"api\.py is no Python"),
    ],
)
def test_files_that_cannot_be_read_are_named(directory: Path, file: str, content: str, said: str) -> None:
    (directory / file).write_text(content)
    with pytest.raises(ConfigError, match=said):
        asyncio.run(toolbench_sources(directory, LimitsConfig()))


def test_a_directory_without_tools_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no tools"):
        asyncio.run(toolbench_sources(tmp_path, LimitsConfig()))
    _write(tmp_path, "Data", "tool", [_api("Plain")], None)
    with pytest.raises(ConfigError, match="none of the 1 tools"):
        asyncio.run(toolbench_sources(tmp_path, LimitsConfig()))

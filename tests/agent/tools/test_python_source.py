"""Python modules as sources of tools: files, dotted names, and the library that comes with octupus."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from octupus.agent.library.catalogue import MODULES
from octupus.agent.tools.config import LimitsConfig, ToolSourceConfig
from octupus.agent.tools.python_source import PythonSource, library_sources
from octupus.agent.tools.sources import open_toolbox
from octupus.agent.tools.status import Status
from octupus.errors import ConfigError

TOOLS = '''
"""Tools."""
import json
from pathlib import Path
from typing import Any

import helper

CATEGORY = "Counting"

def count(by: int, state: dict[str, Any]) -> int:
    """Count on.

    Args:
        by: How far.
    """
    state["count"] = state.get("count", 0) + by
    return state["count"]

def look(state: Any) -> Any:
    """Look at the count."""
    return state

def known() -> dict:
    """What is known."""
    return json.loads((Path(__file__).parent / "known.json").read_text()) | helper.MORE

def _hidden(a):
    pass

Path = Path
'''


@pytest.fixture
def module(tmp_path: Path) -> Path:
    directory = tmp_path / "own"
    directory.mkdir()
    (directory / "calendar.py").write_text(TOOLS)  # a name that the standard library has too
    (directory / "helper.py").write_text("MORE = {'b': 2}\n")
    (directory / "known.json").write_text('{"a": 1}')
    return directory / "calendar.py"


def test_the_public_functions_of_a_file_are_its_tools(module: Path) -> None:
    async def test() -> None:
        source = await PythonSource.open(str(module))
        try:
            assert [entry.name for entry in source.entries] == ["count", "look", "known"]
            assert {(entry.category, entry.collection) for entry in source.entries} == {("Counting", "calendar")}
            assert source.entries[0].tool.function.parameters == {
                "type": "object",
                "properties": {"by": {"type": "integer", "description": "How far."}},
                "required": ["by"],
                "additionalProperties": False,
            }
            assert source.restorable
            state = await source.initial_state(0)
            assert state == {}
            result, state = await source.call("count", {"by": 2.0}, state)
            assert (result.text, state) == ("2", {"count": 2})
            result, state = await source.call("look", {}, state)
            assert json.loads(result.text) == {"count": 2}
            result, _ = await source.call("known", {}, state)
            assert json.loads(result.text) == {"a": 1, "b": 2}
        finally:
            await source.close()

    asyncio.run(test())


def test_a_dotted_name(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = module.parent / "shop_tools"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "prices.py").write_text("RATE = 2\n")
    (package / "buy.py").write_text(
        'from shop_tools.prices import RATE\n\ndef pay(amount: int) -> int:\n    """Pay."""\n    return amount * RATE\n'
    )
    monkeypatch.syspath_prepend(str(module.parent))

    async def test() -> None:
        source = await PythonSource.open("shop_tools.buy")
        result, _ = await source.call("pay", {"amount": 4}, None)
        assert result.text == "8"
        assert await source.initial_state(1) is None
        await source.close()

    asyncio.run(test())
    assert "shop_tools" not in sys.modules  # what is foreign is never imported here


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "no public function"),
        ("def work(a) -> int:\n    'Works.'\n", "work: parameter a has no type"),
        ("def work(a: int) -> int:\n    return a\n", "work has no docstring"),
        ("def größe() -> int:\n    'Works.'\n", "no name for a tool"),
        ("def " + "w" * 65 + "() -> int:\n    'Works.'\n", "no name for a tool"),
    ],
)
def test_a_module_that_has_no_usable_tools_is_an_error(tmp_path: Path, code: str, said: str) -> None:
    module = tmp_path / "tools.py"
    module.write_text(code)
    with pytest.raises(ConfigError, match=f"tools.py.*{said}"):
        asyncio.run(PythonSource.open(str(module)))


def test_only_some_tools(module: Path) -> None:
    async def test() -> None:
        source = await PythonSource.open(str(module), LimitsConfig(), ["look"])
        assert [entry.name for entry in source.entries] == ["look"]
        await source.close()
        with pytest.raises(ConfigError, match="did you mean 'count'"):
            await PythonSource.open(str(module), LimitsConfig(), ["coumt"])

    asyncio.run(test())


def test_a_first_state_that_fails_is_an_error(tmp_path: Path) -> None:
    module = tmp_path / "tools.py"
    module.write_text(
        "def initial_state(seed: int) -> dict:\n    return {'set': {seed}} if seed else 1 / 0\n\n"
        "def work(state: dict) -> int:\n    'Works.'\n    return 1\n"
    )

    async def test() -> None:
        source = await PythonSource.open(str(module))
        for seed, said in ((0, "ZeroDivisionError"), (1, "no JSON")):
            with pytest.raises(ConfigError, match=said):
                await source.initial_state(seed)
        await source.close()

    asyncio.run(test())


def test_the_library() -> None:
    async def test() -> None:
        names = MODULES[:2]
        sources = await library_sources(names, LimitsConfig())
        try:
            assert [source.entries[0].collection for source in sources] == list(names)
            for source in sources:
                assert await source.initial_state(5) == await source.initial_state(5)
        finally:
            for source in sources:
                await source.close()
        with pytest.raises(ConfigError, match=f"did you mean '{MODULES[0]}'"):
            await library_sources([MODULES[0] + "x"], LimitsConfig())
        with pytest.raises(ConfigError, match="no tool 'no_such_tool'"):
            await library_sources(names, LimitsConfig(), ["no_such_tool"])

    asyncio.run(test())


def test_a_toolbox_of_library_and_file(module: Path) -> None:
    async def test() -> None:
        configs = [ToolSourceConfig(library=(MODULES[0],)), ToolSourceConfig(python=str(module), only=("count",))]
        async with await open_toolbox(configs) as toolbox:
            assert "count" in toolbox
            assert toolbox.restorable
            assert len(await toolbox.initial_states(1)) == 2
            result, _ = await toolbox.sources[toolbox.place("count")].call("count", {"by": 1}, {})
            assert result.status is Status.OK

    asyncio.run(test())

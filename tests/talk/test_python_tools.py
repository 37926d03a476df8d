"""Files of tools, and what comes of calling them: whatever happens in a tool is its result."""

import json
from pathlib import Path

import pytest

from octupus.errors import ConfigError
from octupus.talk.python_tools import load_python_tools, run_tool

TOOLS = '''
"""Tools."""
from __future__ import annotations
import sys
from dataclasses import dataclass
from pathlib import Path
from pydantic import BaseModel
from beside import answer

class Place(BaseModel):
    city: str

@dataclass
class Weather:
    sky: str

def text(a: str) -> str:
    """As it is."""
    return a

async def weather(place: Place) -> Weather:
    """Asynchronous."""
    return Weather(f"clear over {place.city}")

def fails(a: int = 0) -> float:
    """Divides."""
    return 1 / a

def leaves() -> None:
    """Exits."""
    sys.exit("gone")

def no_json() -> object:
    """Gives what is no JSON."""
    return object()

def _private(a): ...
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("def answer():\n    return 42\n")
    (tmp_path / "tools.py").write_text(TOOLS)
    return tmp_path / "tools.py"


def test_the_public_functions_of_the_file_itself_are_tools(file: Path) -> None:
    assert list(load_python_tools(file)) == ["text", "weather", "fails", "leaves", "no_json"]
    file.write_text(TOOLS + "\n__all__ = ['text']\n")
    assert list(load_python_tools(file)) == ["text"]


@pytest.mark.parametrize(
    ("name", "arguments", "failed", "text"),
    [
        ("text", '{"a": "[b]"}', False, "[b]"),
        ("weather", '{"place": {"city": "Rome"}}', False, '{"sky": "clear over Rome"}'),
        ("fails", "", True, "ZeroDivisionError"),
        ("fails", '{"a": ', True, "arguments"),
        ("leaves", "{}", True, "gone"),
        ("no_json", "{}", True, "no JSON"),
    ],
)
def test_whatever_happens_is_the_result(file: Path, name: str, arguments: str, failed: bool, text: str) -> None:
    result = run_tool(load_python_tools(file)[name], arguments)
    assert result.failed == failed
    assert text in (json.loads(result.text)["error"] if failed else result.text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not exist"),
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("x = 1", "no public function"),
        ("def f(a): ...", "f has no docstring"),
    ],
)
def test_a_file_that_gives_no_tools_says_why(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "bad.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_python_tools(file)

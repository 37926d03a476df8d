"""Chat for people with the real endpoint: the page at `/` in headless Chromium, and `octupus chat`.

The model has random weights, so what it says is nonsense, and what it calls is valid.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from octupus.serve.page.files import HEADERS, page_files
from octupus.talk.command import ChatOptions, chat

from ...serve.page.canned import browser

pytestmark = pytest.mark.timeout(600)

SLOW_MS = 120_000
UNIQUE = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
REFUSED_TOOL = {
    "type": "function",
    "function": {"name": "sort", "parameters": {"type": "object", "properties": {"a": UNIQUE}}},
}
PYTHON_TOOLS = '''
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b
'''


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chromium: Any, base_url: str) -> Iterator[Any]:
    """The page, on which no script may fail."""
    opened = chromium.new_page()
    opened.set_default_timeout(SLOW_MS)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(base_url.removesuffix("v1"))
    opened.locator("#model option").first.wait_for(state="attached")
    yield opened
    opened.close()
    assert not problems


def send(page: Any, text: str) -> None:
    page.get_by_role("textbox", name="Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def test_every_file_comes_with_its_headers(base_url: str) -> None:
    for route, file in page_files().items():
        answer = httpx.get(base_url.removesuffix("/v1") + route)
        assert (answer.status_code, answer.content) == (200, file.body)
        assert answer.headers["content-type"] == file.media_type
        assert HEADERS.items() <= dict(answer.headers).items()


def test_tools_are_checked_called_answered_and_explained(page: Any) -> None:
    assert page.get_by_label("Model").input_value() == "octupus"
    page.get_by_role("button", name="Example").click()
    page.locator(".admission details").nth(1).wait_for()
    assert page.locator(".admission summary .badge").all_inner_texts() == ["enforced", "enforced"]
    page.get_by_label("Tool choice").select_option("get_weather")
    page.get_by_label("Several calls").uncheck()
    page.get_by_label("Max tokens").fill("200")
    page.get_by_label("Seed").fill("3")
    send(page, "What is the weather in Paris?")
    form = page.get_by_role("form", name="Results")
    form.wait_for()
    tools = json.loads(page.get_by_label("Tools as JSON").input_value())
    arguments = json.loads(page.locator(".call pre").inner_text())
    jsonschema.validate(arguments, tools[0]["function"]["parameters"])
    written = re.search(r"(\d+) out", page.locator(".assistant footer").inner_text())
    assert written is not None
    assert page.locator(".mask .tokens .token").count() == int(written[1])
    assert page.locator(".mask .token.some, .mask .token.much").count(), "a random model's taste is against the rules"

    page.get_by_label("Tool choice").select_option("none")
    page.get_by_label("Max tokens").fill("20")
    form.get_by_label("Result of get_weather").fill('{"sky": "clear"}')
    form.get_by_role("button", name="Send results").click()
    page.locator(".assistant[aria-busy=false]").nth(1).wait_for()
    assert page.locator(".assistant").last.locator(".text").inner_text()
    assert page.locator(".error").count() == 0


def test_a_tool_that_is_refused_is_shown_before_and_after_sending(page: Any) -> None:
    page.get_by_label("Tools as JSON").fill(json.dumps([REFUSED_TOOL]))
    row = page.locator(".admission tr", has_text="uniqueItems")
    row.wait_for()
    assert "/properties/a/uniqueItems" in row.inner_text()
    assert row.locator(".badge").inner_text() == "refused"
    send(page, "hello")
    error = page.locator("#log .error")
    error.wait_for()
    assert "HTTP 400" in error.inner_text()
    assert "field tools.0.function.parameters" in error.inner_text()


def test_an_answer_can_be_stopped(page: Any) -> None:
    page.get_by_label("Show what the token mask did").uncheck()
    page.get_by_label("Max tokens").fill("900")
    send(page, "hello")
    page.locator(".assistant .text", has_text=re.compile(r"\S")).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped; not part").wait_for()
    page.get_by_label("Max tokens").fill("5")
    send(page, "hello")
    page.locator(".assistant:not(.left-out)[aria-busy=false]").wait_for()


def test_chat_in_the_terminal(base_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tools = tmp_path / "tools.py"
    tools.write_text(PYTHON_TOOLS)
    options = ChatOptions(base_url, python_tools=tools, once="2 + 3?", yes=True, max_tokens=60, max_rounds=2, seed=1)
    assert chat(options) == 0
    first = capsys.readouterr().out
    assert first.strip()
    assert chat(options) == 0
    assert capsys.readouterr().out == first, "a seed makes answers repeatable"

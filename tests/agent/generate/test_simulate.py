"""The user's turns in other words, asked of a real endpoint: only what still says everything is taken."""

import asyncio
import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.phrases import PHRASES
from octupus.agent.generate.run import write
from octupus.agent.generate.scenarios import SCENARIOS
from octupus.errors import OutputError
from tests.agent.generate.in_process_library import in_process_library
from tests.agent.scripted_endpoint import Message, ScriptedEndpoint, says
from tests.teacher_server import Reply

LIBRARY = in_process_library("bank", "calendar", "contacts", "mail", "currency", "weather")
POLITE = "Be so kind, would you: "


def policy(messages: list[Message], tools: list[dict[str, Any]], seed: int) -> Message | Reply:
    """Other words for most texts, and every mistake that there is for some."""
    given = json.loads(messages[-1]["content"])
    text = given["message"]
    match seed % 6:
        case 0 if given["keep_exactly"]:
            return says(POLITE + text.replace(given["keep_exactly"][0], "it"))
        case 1 if given["never_mention"]:
            return says(f"{POLITE}{text} {given['never_mention'][0]}")
        case 2:
            return says("  ")
        case 3:
            return says(POLITE + text + " please" * 200)
        case 4:
            return Reply(status=400)
    return says(POLITE + text)


def run(endpoint: ScriptedEndpoint, output: Path, **settings: Any) -> dict[str, Any]:
    config = GenerateConfig.model_validate(
        {
            "output": output,
            "count": 12,
            "languages": {"en": 1},
            "phrase_with": {"model": "m", "endpoint": {"base_url": endpoint.base_url, "backoff_base_s": 0}},
            **settings,
        }
    )
    summary = asyncio.run(write(config, LIBRARY, list(SCENARIOS.values())))
    return dict(json.loads(summary.read_text()))


def users(output: Path) -> list[str]:
    rows = [json.loads(line) for line in (output / "conversations.jsonl").read_text().splitlines()]
    return [message["content"] for row in rows for message in row["messages"] if message["role"] == "user"]


def test_only_texts_that_say_everything_are_taken(tmp_path: Path) -> None:
    with closing(ScriptedEndpoint(policy)) as endpoint:
        summary = run(endpoint, tmp_path)
    phrasing = summary["phrasing"]
    texts = users(tmp_path)
    rewritten = [text for text in texts if text.startswith(POLITE)]
    assert phrasing["rewritten"] == len(rewritten) > 3
    assert sum(phrasing["left_as_templates"].values()) == len(texts) - len(rewritten)
    assert {"lost_value", "empty", "too_long", "status_400"} <= set(phrasing["left_as_templates"])
    assert not any(" please" * 200 in text for text in texts)


def test_a_run_that_is_started_again_asks_for_nothing_twice(tmp_path: Path) -> None:
    asked: Counter[str] = Counter()

    def counting(messages: list[Message], tools: list[dict[str, Any]], seed: int) -> Message | Reply:
        asked[messages[-1]["content"]] += 1
        return says(POLITE + json.loads(messages[-1]["content"])["message"])

    with closing(ScriptedEndpoint(counting)) as endpoint:
        first = run(endpoint, tmp_path)
        written = (tmp_path / "conversations.jsonl").read_bytes()
        with (tmp_path / PHRASES).open("a") as stream:
            stream.write('{"key": "torn')
        second = run(endpoint, tmp_path)
    assert first["phrasing"]["requests"] == asked.total() > 0
    assert second["phrasing"]["requests"] == 0
    assert max(asked.values()) == 1
    assert (tmp_path / "conversations.jsonl").read_bytes() == written


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / PHRASES).write_text('{"nothing": 1}\n')
    with closing(ScriptedEndpoint(policy)) as endpoint, pytest.raises(OutputError, match=r"phrases\.jsonl:1"):
        run(endpoint, tmp_path)

"""Cases of the integration tests that differ little from those that are run there: `make soak`."""

import json
import time
from pathlib import Path

import openai
import pytest

from ..integration import test_bfcl
from ..integration.conftest import SmallQuickstart, run_quickstart, small_quickstart  # noqa: F401
from ..integration.serving import test_contract_chat, test_contract_responses
from ..integration.serving.conftest import base_url, client, model_directory, private_ray  # noqa: F401
from ..integration.test_bfcl import data  # noqa: F401

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("name", test_contract_chat.REQUESTS)
def test_all_ways_of_asking_for_chat_give_the_same_right_answer(
    base_url: str,  # noqa: F811
    client: openai.OpenAI,  # noqa: F811
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(test_contract_chat, "ways_for", lambda _: test_contract_chat.WAYS)
    test_contract_chat.test_every_way_of_asking_gives_the_same_right_answer(base_url, client, name)


@pytest.mark.parametrize("name", test_contract_responses.REQUESTS)
def test_all_ways_of_asking_for_responses_give_the_same_right_answer(
    client: openai.OpenAI,  # noqa: F811
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(test_contract_responses, "ways_for", lambda _: test_contract_responses.WAYS)
    test_contract_responses.test_every_way_of_asking_gives_the_same_right_answer(client, name)


@pytest.mark.parametrize("kind", ["400", "missing-usage", "broken-body", "html"])
def test_no_score_is_published_of_what_failed_otherwise(data: Path, tmp_path: Path, kind: str) -> None:  # noqa: F811
    test_bfcl.test_no_score_is_published_of_what_failed(data, tmp_path, kind)


def test_a_second_quickstart_reuses_what_is_done(small_quickstart: SmallQuickstart) -> None:  # noqa: F811
    exported = small_quickstart.directory / "stage2" / "export" / "model.safetensors"
    before = exported.stat().st_mtime_ns
    started = time.monotonic()
    directory = str(small_quickstart.directory)
    answer = run_quickstart(small_quickstart.jobs, "--directory", directory, "--requests", "5", "--port", "8472")
    assert answer.returncode == 0, answer.stderr[-5000:]
    assert exported.stat().st_mtime_ns == before
    assert "train.reused" in answer.stderr
    report = json.loads((small_quickstart.directory / "report.json").read_text())
    assert report["run_s"] < time.monotonic() - started

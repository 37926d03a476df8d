"""What a survey does on a node, and makes of its answers; tests/integration/test_survey.py asks real nodes."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from octupus.nodes.storage import Token, read_token, write_token
from octupus.nodes.survey import _Answer, _dead, _report, _visit_storage
from tests.nodes.machines import machine

_NODE: dict[str, Any] = {"NodeID": "c" * 56, "NodeManagerAddress": "10.0.0.1", "Resources": {"CPU": 8.0, "GPU": 8.0}}


def test_a_node_answers_the_drivers_token_with_its_own(tmp_path: Path) -> None:
    found = _visit_storage(str(tmp_path), write_token(str(tmp_path)))
    assert found["sees"]
    assert read_token(str(tmp_path), Token(*found["own"]))
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_node_that_does_not_see_the_token_writes_nothing(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    other.mkdir()
    found = _visit_storage(str(other), write_token(str(mine)))
    assert (found["sees"], found["own"], found["failure"]) == (False, None, None)
    assert list(other.iterdir()) == []
    missing = _visit_storage(str(tmp_path / "missing"), write_token(str(mine)))
    assert missing["sees"] is False
    assert not (tmp_path / "missing").exists()


def test_a_node_whose_octupus_tells_other_facts_did_not_answer() -> None:
    plain = machine("host").plain()
    good = _report(_NODE, _Answer(0.0, 1.0, {"facts": plain, "missing_inputs": ["/a"]}), None, ())
    assert good.facts == machine("host")
    assert (good.promised_gpus, good.missing_inputs) == (8.0, ("/a",))
    old = {name: value for name, value in plain.items() if name != "clock"}
    bad = _report(_NODE, _Answer(0.0, 1.0, {"facts": old, "missing_inputs": []}), None, ())
    assert bad.facts is None
    assert bad.failure == "its octupus tells other facts: clock"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("EXPECTED_TERMINATION", True), (4, True), (2, False), ("AUTOSCALER_DRAIN_PREEMPTED", False)],
)
def test_nodes_taken_away_on_purpose_are_told_apart(reason: str | int, expected: bool) -> None:
    dead = _dead(_NODE | {"DeathReason": reason, "DeathReasonMessage": "why"})
    assert (dead.expected, dead.reason) == (expected, "why")
    assert _dead(_NODE).reason == "Ray does not say why"

"""The unmodified BFCL harness against octupus's own endpoint: whatever the model writes, no item fails in inference."""

from pathlib import Path

import pytest

from octupus.config import resolve
from octupus.evaluate.bfcl.config import EvaluateBfclConfig
from octupus.evaluate.bfcl.run import evaluate_bfcl

pytestmark = pytest.mark.timeout(600)

# Short ones: the model's context has 1,024 tokens.
IDS = ["simple_python_0", "simple_python_1", "simple_java_4", "parallel_7", "irrelevance_4", "irrelevance_6"]


@pytest.mark.parametrize(("api", "constrained"), [("chat", True), ("responses", True), ("chat", False)])
def test_items_are_answered(base_url: str, tmp_path: Path, api: str, constrained: bool) -> None:
    values = {"output": tmp_path / "run", "ids": IDS, "api": api, "constrained": constrained}
    run = evaluate_bfcl(resolve(EvaluateBfclConfig, values | {"endpoint": {"base_url": base_url}}))
    assert sorted(run.right) == sorted(IDS)
    assert (run.failed, run.absent) == (0, 0)
    assert run.measured["dialect"] == "octupus"
    if constrained:
        assert run.unreadable == 0

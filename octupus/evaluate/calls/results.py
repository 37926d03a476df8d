"""All that a run has found, and its form in calls.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octupus.evaluate.calls.ask import failures
from octupus.evaluate.calls.config import EvaluateCallsConfig
from octupus.evaluate.calls.dataset import Dataset
from octupus.evaluate.calls.dialogue import Dialogue, DialogueTotals, dialogue_totals
from octupus.evaluate.calls.request_score import RequestScore
from octupus.evaluate.calls.totals import Totals
from octupus.evaluate.scoring import Reply

MEANINGS: Mapping[str, str] = {
    "right": "calls right by BFCL's rules; none made where none is expected",
    "right_tools": "the expected tools, each as often",
    "right_count": "as many calls as expected",
    "ast": "calls right by BFCL's rules, where calls are expected",
    "exact": "calls equal to the expected ones as JSON",
    "relevance": "something is called where calls are expected",
    "irrelevance": "nothing is called where none is expected",
    "valid_calls": "calls that fit their tool's schema",
    "argument_precision": "arguments made that are expected",
    "argument_recall": "expected arguments that are made",
    "conversations_right": "conversations whose every turn is right",
    "final_state": "conversations that end in the expected state",
    "turns_right": "turns with the expected state and results",
}
"""What each share says."""


@dataclass(frozen=True)
class Results:
    """Questions (`dataset.questions`), replies and scores stand in the same order."""

    config: EvaluateCallsConfig
    dataset: Dataset
    replies: Sequence[Reply]
    scores: Sequence[RequestScore]
    overall: Totals
    groups: Mapping[str, Mapping[str, Totals]]
    """By language, kind and source."""
    dialogues: Sequence[Dialogue]
    """Conversations held with executed tools; empty where the configuration names no environment."""

    @property
    def executed(self) -> DialogueTotals | None:
        """The totals of `dialogues`; None where there are none."""
        return dialogue_totals(self.dialogues) if self.dialogues else None

    @property
    def failures(self) -> dict[str, int]:
        """Failed requests by reason."""
        return failures(self.replies)

    def to_json(self) -> dict[str, Any]:
        """What calls.json holds."""
        groups = {
            f"by_{grouping}": {name: each.to_json() for name, each in named.items()}
            for grouping, named in self.groups.items()
        }
        return {
            "model": self.config.endpoint.model,
            "base_url": self.config.endpoint.base_url,
            "dataset_sha256": self.dataset.sha256,
            "positions": self.config.positions,
            "looked_at": self.dataset.read,
            "left_out": dict(self.dataset.skipped),
            "failures": self.failures,
            "overall": self.overall.to_json(),
            **groups,
            "executed": self.executed.to_json() if self.executed else None,
        }

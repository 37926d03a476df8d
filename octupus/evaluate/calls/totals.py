"""The scores of many requests together, and of each language, kind and source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octupus.evaluate.calls.ast_values import Mismatch
from octupus.evaluate.calls.interval import Share
from octupus.evaluate.calls.question import Question
from octupus.evaluate.calls.request_score import RequestScore


@dataclass(frozen=True)
class Totals:
    """Every share has its own n: all requests, those expecting calls or none, all calls, or all arguments.

    Failed requests are in every n that counts requests and never right. Arguments of one answer hang together, so the
    intervals of precision and recall are narrower than the truth.
    """

    requests: int
    failed: int
    shares: Mapping[str, Share]
    mismatches: Mapping[Mismatch, int]
    """Why answers to requests expecting calls are wrong by BFCL's rules; failed ones are not among them."""

    @property
    def argument_f1(self) -> float | None:
        """The harmonic mean of the precision and recall of arguments; None without any argument."""
        precision, recall = self.shares["argument_precision"], self.shares["argument_recall"]
        return 2 * recall.count / (precision.n + recall.n) if precision.n + recall.n else None

    def to_json(self) -> dict[str, Any]:
        """For calls.json."""
        shares = {name: share.to_json() for name, share in self.shares.items()}
        return {
            "requests": self.requests,
            "failed": self.failed,
            **shares,
            "argument_f1": self.argument_f1,
            "mismatches": dict(self.mismatches),
        }


def totals(scores: Sequence[RequestScore]) -> Totals:
    """The sums over requests."""
    expecting = [score for score in scores if score.expecting]
    others = [score for score in scores if not score.expecting]
    right_arguments = sum(score.right_arguments for score in scores)
    shares = {
        "right": _share(score.right for score in scores),
        "right_tools": _share(score.right_tools for score in expecting),
        "right_count": _share(score.right_count for score in expecting),
        "ast": _share(score.right for score in expecting),
        "exact": _share(score.exact for score in expecting),
        "relevance": _share(score.called for score in expecting),
        "irrelevance": _share(score.right for score in others),
        "valid_calls": Share(sum(score.valid_calls for score in scores), sum(score.calls for score in scores)),
        "argument_precision": Share(right_arguments, sum(score.arguments for score in scores)),
        "argument_recall": Share(right_arguments, sum(score.expected_arguments for score in scores)),
    }
    verdicts = [score.ast for score in expecting if score.ast is not None]
    mismatches = Counter(verdict.mismatch for verdict in verdicts if verdict.mismatch is not None)
    return Totals(len(scores), sum(score.failed for score in scores), shares, dict(mismatches.most_common()))


def grouped(questions: Sequence[Question], scores: Sequence[RequestScore]) -> dict[str, dict[str, Totals]]:
    """The totals by language, kind and source; every request is in one group of each."""
    groups: dict[str, dict[str, list[RequestScore]]] = {"language": {}, "kind": {}, "source": {}}
    for question, score in zip(questions, scores, strict=True):
        request = question.request
        names = {"language": request.language, "kind": request.kind, "source": question.source}
        for grouping, name in names.items():
            groups[grouping].setdefault(name or "unnamed", []).append(score)
    return {
        grouping: {name: totals(members) for name, members in sorted(named.items())}
        for grouping, named in groups.items()
    }


def _share(values: Iterable[bool]) -> Share:
    counted = list(values)
    return Share(sum(counted), len(counted))

"""What the quickstart shows: a table, report.json, and report.html with curves, drop counts and conversations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from octupus import page
from octupus.conversation import json_text
from octupus.data.manifest import Manifest
from octupus.evaluate.asking import ask_all, shown
from octupus.evaluate.held_out import HeldOutRequest
from octupus.evaluate.scoring import Reply, Score, score
from octupus.telemetry import write_json
from octupus.train.checkpoint.storage import Storage
from octupus.train.launch import TrainResult
from octupus.train.watch.metrics import read_metrics

CONSTRAINED, STREAMED, UNCONSTRAINED = "constraint on", "constraint on, streamed", "constraint off"
_PASSES = {CONSTRAINED: (False, True), STREAMED: (True, True), UNCONSTRAINED: (False, False)}
_LEGEND = (
    "valid: calls that name a tool of the request and fit its schema. right tool: requests in which just the expected "
    "tools are called, or none where none fits. exact: of the requests that expect calls, those with all names and "
    "arguments right."
)
INSTALLED_STAMP = Path(__file__).parents[2] / ".venv" / "octupus-installed"


@dataclass(frozen=True)
class Asked:
    """All passes over the requests."""

    requests: Sequence[HeldOutRequest]
    replies: Mapping[str, Sequence[Reply]]

    def score(self, name: str) -> Score:
        """The score of one pass."""
        tools = [request.tools for request in self.requests]
        return score(tools, [request.expected_calls for request in self.requests], self.replies[name])


def ask(base_url: str, model: str, requests: Sequence[HeldOutRequest]) -> Asked:
    """Ask everything with the constraint on, on and streamed, and off."""
    replies = {
        name: ask_all(base_url, model, requests, stream, constrained) for name, (stream, constrained) in _PASSES.items()
    }
    return Asked(requests, replies)


@dataclass(frozen=True)
class Summary:
    """The result of a quickstart."""

    asked: Asked
    manifests: Mapping[str, Manifest]
    stages: Mapping[str, TrainResult]
    run_locations: Mapping[str, str]
    step_seconds: Mapping[str, float]
    run_s: float

    @property
    def passed(self) -> bool:
        """Whether every request was answered and every constrained call was valid."""
        scores = [self.asked.score(name) for name in _PASSES]
        return not any(found.failed for found in scores) and all(
            found.valid_calls == found.calls for found in scores[:2]
        )

    def values(self) -> dict[str, Any]:
        """What report.json holds. Shares are between 0 and 1."""
        constrained, unconstrained = self.asked.score(CONSTRAINED), self.asked.score(UNCONSTRAINED)
        losses = {
            name.replace("stg", "stage") + "_loss": {"first": stage.first_loss, "last": stage.last_loss}
            for name, stage in self.stages.items()
        }
        return {
            "install_s": installed_seconds(),
            "run_s": round(self.run_s, 1),
            "requests": constrained.requests,
            "failed_requests": sum(self.asked.score(name).failed for name in _PASSES),
            "valid_calls_constrained": constrained.valid_share,
            "valid_calls_unconstrained": unconstrained.valid_share,
            "right_tool": constrained.right_tool_share,
            "exact_calls": constrained.exact_share,
            **losses,
            "passes": {name: self.asked.score(name).__dict__ for name in _PASSES},
            "sources": {
                stage: {name: counts.model_dump(by_alias=True) for name, counts in manifest.sources.items()}
                for stage, manifest in self.manifests.items()
            },
            "step_seconds": {name: round(seconds, 1) for name, seconds in self.step_seconds.items()},
        }

    def write(self, directory: Path) -> None:
        """Write report.json, report.html, and every question with its answers as answers.jsonl."""
        with (directory / "answers.jsonl").open("w", encoding="utf-8") as file:
            for position, request in enumerate(self.asked.requests):
                answers = {name: asdict(replies[position]) for name, replies in self.asked.replies.items()}
                file.write(json_text({"request": asdict(request), "answers": answers}) + "\n")
        write_json(directory / "report.json", self.values())
        page.write_page(directory / "report.html", "octupus quickstart", self._sections())

    def print(self, console: Console) -> None:
        """The table for people."""
        headers, rows = self._score_table()
        table = Table(title="held-out requests", title_justify="left")
        for header in headers:
            table.add_column(header, no_wrap=True, justify="right" if header else "left")
        for row in rows:
            table.add_row(*map(str, row))
        console.print(table)
        install = installed_seconds()
        installed = f"installed in {install:.0f} s, " if install is not None else ""
        console.print(f"{installed}ran in {self.run_s:.0f} s")

    def _score_table(self) -> tuple[list[str], list[list[Any]]]:
        headers = ["", "requests", "failed", "calls", "valid", "right tool", "exact"]
        rows: list[list[Any]] = []
        for name in _PASSES:
            found = self.asked.score(name)
            shares = (found.valid_share, found.right_tool_share, found.exact_share)
            rows.append([name, found.requests, found.failed, found.calls, *map(_percent, shares)])
        return headers, rows

    def _sections(self) -> list[page.Section]:
        return [
            page.Section("Held-out requests", page.table(*self._score_table()) + page.text(_LEGEND)),
            page.Section("Loss", self._loss_chart()),
            page.Section("Rows read, kept and dropped", self._counts()),
            page.Section("Three conversations", self._examples()),
            page.Section("Time", page.table(["step", "seconds"], [*self.step_seconds.items()])),
        ]

    def _loss_chart(self) -> str:
        curves = {}
        for name, location in self.run_locations.items():
            metrics = read_metrics(Storage(location))
            curves[name] = ([step.step for step in metrics], [step.loss for step in metrics])
        return page.line_chart(curves, "step", "loss per trained token")

    def _counts(self) -> str:
        rows = [
            [stage, name, counts.read, counts.kept, sum(counts.dropped.values()), _reasons(counts.dropped)]
            for stage, manifest in self.manifests.items()
            for name, counts in manifest.sources.items()
        ]
        dropped: Counter[str] = Counter()
        for counts in next(reversed(list(self.manifests.values()))).sources.values():
            dropped.update(counts.dropped)
        chart = page.bar_chart(dict(dropped.most_common()), "rows dropped") if dropped else ""
        return page.table(["stage", "source", "in", "kept", "dropped", "reasons"], rows) + chart

    def _examples(self) -> str:
        replies = self.asked.replies[CONSTRAINED]
        chosen: dict[str, str] = {}
        for request, reply in zip(self.asked.requests, replies, strict=True):
            chosen.setdefault(request.kind, shown(request, reply))
        for request, reply in zip(self.asked.requests, replies, strict=True):
            if len(chosen) < 3:
                chosen.setdefault(json.dumps(request.messages), shown(request, reply))
        return "".join(page.preformatted(text) for text in list(chosen.values())[:3])


def installed_seconds() -> float | None:
    """How long `make setup` took, or None when something else installed octupus."""
    if not INSTALLED_STAMP.is_file():
        return None
    return float(INSTALLED_STAMP.read_text().split()[2])


def curl_line(base_url: str, model: str, request: HeldOutRequest) -> str:
    """A command that asks the endpoint one of the requests."""
    body = json.dumps({"model": model, "messages": request.messages, "tools": request.tools}, ensure_ascii=False)
    quoted = body.replace("'", "'\\''")
    return f"curl {base_url}/chat/completions -H 'content-type: application/json' -d '{quoted}'"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))

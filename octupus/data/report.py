"""The report of a preparation: what was kept, what was dropped and why, how long and how full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.data.manifest import Manifest
from octupus.data.reasons import Stage
from octupus.page import Section, bar_chart, histogram, table, text, write_page

REPORT = "report.html"
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Examined:
    """What the report is made of, beside the manifest."""

    drops: Sequence[Mapping[str, Any]]
    """Rows of `records.DROP`."""
    lengths: Sequence[int]
    """Tokens of each conversation in the packs."""
    fills: Sequence[float]
    """Tokens per token of budget, of each pack."""


def write_report(directory: Path, manifest: Manifest, examined: Examined) -> None:
    """Write `report.html`."""
    write_page(
        directory / REPORT,
        "Prepared data",
        [
            Section("In short", _summary(manifest)),
            Section("Sources", _sources(manifest)),
            Section("Dropped rows", _dropped(examined.drops)),
            Section("Kinds and languages", _kinds(manifest)),
            Section("Length of conversations", histogram(list(examined.lengths), "tokens")),
            Section("Fill of packs", histogram(list(examined.fills), "tokens / token_budget")),
            Section("Inputs", table(["file", "sha256"], [(file.path, file.sha256) for file in manifest.inputs])),
        ],
    )


def _summary(manifest: Manifest) -> str:
    rows: list[tuple[str, Any]] = [
        ("packs", manifest.packs),
        ("conversations in packs", manifest.conversations),
        ("tokens", manifest.tokens),
        ("trained tokens", manifest.trained_tokens),
        ("token budget of a pack", manifest.token_budget),
        ("fill", f"{manifest.fill:.2%}"),
        ("seed", manifest.seed),
        ("dialect", manifest.dialect),
    ]
    return table(["", ""], rows)


def _sources(manifest: Manifest) -> str:
    rows = [
        (name, counts.read, counts.kept, sum(counts.dropped.values()), f"{counts.kept / counts.read:.1%}")
        for name, counts in manifest.sources.items()
    ]
    return table(["source", "in", "kept", "dropped", "kept share"], rows)


def _dropped(drops: Sequence[Mapping[str, Any]]) -> str:
    if not drops:
        return text("No row was dropped.")
    counts = Counter((drop["source"], drop["stage"], drop["reason"]) for drop in drops)
    stages = [str(stage) for stage in Stage]
    ordered = sorted(counts, key=lambda key: (key[0], stages.index(key[1]), key[2]))
    by_reason = Counter(str(drop["reason"]) for drop in drops)
    parts = [
        table(["source", "stage", "reason", "rows"], [(*key, counts[key]) for key in ordered]),
        bar_chart(dict(by_reason.most_common()), "rows"),
    ]
    for reason in sorted(by_reason):
        examples = [drop for drop in drops if drop["reason"] == reason][:EXAMPLES]
        shown = [
            (f"{drop['source']}:{drop['split']} row {drop['row']}", drop["detail"], drop["excerpt"])
            for drop in examples
        ]
        parts.append(table([reason, "detail", "begins"], shown))
    return "\n".join(parts)


def _kinds(manifest: Manifest) -> str:
    return table(["kind", "kept"], list(manifest.kinds.items())) + table(
        ["language", "kept"], list(manifest.languages.items())
    )

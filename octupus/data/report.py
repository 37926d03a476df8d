"""The report of a preparation: what was kept, what was dropped and why, how long and how full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from octupus.data.manifest import Manifest, MixtureCounts, SourceCounts
from octupus.page import Section, bar_chart, histogram, table, text, write_page

REPORT = "report.html"
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Examined:
    """What the report is made of, beside the manifest."""

    lengths: npt.NDArray[np.int32]
    """Tokens of each conversation in the packs."""
    fills: npt.NDArray[np.float64]
    """Tokens per token of budget, of each pack."""
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The first drops (`records.DROP`) of each reason and source."""

    def watched(self, drops: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """The same tables, with examples kept as they pass."""
        for each in drops:
            places: dict[tuple[str, str], list[int]] = {}
            for position, place in enumerate(zip(each["reason"].to_pylist(), each["source"].to_pylist(), strict=True)):
                places.setdefault(place, []).append(position)
            for (reason, source), positions in places.items():
                known = self.examples.setdefault(reason, [])
                wanted = EXAMPLES - sum(example["source"] == source for example in known)
                if wanted > 0:
                    known += each.take(pa.array(positions[:wanted], pa.int64())).to_pylist()
            yield each


def write_report(directory: Path, manifest: Manifest, examined: Examined, keywords: Mapping[str, int]) -> None:
    """Write `report.html`. `keywords` counts the JSON Schema keywords of the tools of all checked conversations."""
    write_page(
        directory / REPORT,
        "Prepared data",
        [
            Section("In short", _summary(manifest)),
            Section("Sources", _sources(manifest)),
            Section("Mixture and augmentation", _mixture(manifest)),
            Section("Dropped conversations", _dropped(manifest, examined)),
            Section("Repaired, masked, cut or noticed", _flags(manifest)),
            Section("Kinds and languages", _kinds(manifest)),
            Section("Length of conversations", histogram(examined.lengths.tolist(), "tokens")),
            Section("Fill of packs", histogram(examined.fills.tolist(), "tokens / token_budget")),
            Section("Keywords in the tools' schemas", _keywords(keywords)),
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
        (name, counts.rows, counts.read, counts.kept, sum(counts.dropped.values()), f"{counts.kept / counts.read:.1%}")
        for name, counts in manifest.sources.items()
    ]
    return table(["source", "rows", "conversations in", "kept", "dropped", "kept share"], rows)


def mixture_text(lines: Sequence[MixtureCounts]) -> str:
    """The mixture as a table for a terminal, with its sums."""
    sums = (sum(values) for values in zip(*(row[3:] for row in _mixture_rows(lines)), strict=True))
    rows = [_MIXTURE_COLUMNS, *_mixture_rows(lines), ("total", "", "", *sums)]
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in enumerate(line))
        for line in (list(zip(row, widths, strict=True)) for row in cells)
    )


_MIXTURE_COLUMNS = ("source", "split", "ratio", "conversations", "tokens", "trained tokens")


def _mixture_rows(lines: Sequence[MixtureCounts]) -> list[tuple[Any, ...]]:
    return [
        (line.source, line.split, f"{line.ratio:g}", line.conversations, line.tokens, line.trained_tokens)
        for line in lines
    ]


def _mixture(manifest: Manifest) -> str:
    return table(list(_MIXTURE_COLUMNS), _mixture_rows(manifest.mixture)) + _augmented(manifest)


def _augmented(manifest: Manifest) -> str:
    if not manifest.augmented:
        return text("No rows were added by augmentation.")
    rows = [
        (name, counts.made, counts.kept, ", ".join(f"{reason} {number}" for reason, number in counts.dropped.items()))
        for name, counts in manifest.augmented.items()
    ]
    return table(["augmentation", "chosen", "kept", "dropped by reason"], rows)


def _dropped(manifest: Manifest, examined: Examined) -> str:
    rows = [row for name, counts in manifest.sources.items() for row in _stages(name, counts)]
    if not any(counts.dropped for counts in manifest.sources.values()):
        return text("No conversation was dropped.")
    by_reason: Counter[str] = Counter()
    for counts in manifest.sources.values():
        by_reason.update(counts.dropped)
    parts = [
        table(["source", "step", "in", "kept", "dropped by reason"], rows),
        bar_chart(dict(by_reason.most_common()), "conversations"),
    ]
    for reason in sorted(examined.examples):
        shown = [
            (f"{drop['source']}:{drop['split']} row {drop['row']}", drop["detail"], drop["excerpt"])
            for drop in examined.examples[reason]
        ]
        parts.append(table([reason, "detail", "begins"], shown))
    return "\n".join(parts)


def _stages(name: str, counts: SourceCounts) -> list[tuple[Any, ...]]:
    return [
        (name, stage, each.read, each.kept, ", ".join(f"{reason} {number}" for reason, number in each.dropped.items()))
        for stage, each in counts.stages.items()
        if each.dropped
    ]


def _flags(manifest: Manifest) -> str:
    if not manifest.flags:
        return text("No kept conversation was changed.")
    return table(["flag", "kept conversations"], list(manifest.flags.items()))


def _kinds(manifest: Manifest) -> str:
    return table(["kind", "kept"], list(manifest.kinds.items())) + table(
        ["language", "kept"], list(manifest.languages.items())
    )


def _keywords(keywords: Mapping[str, int]) -> str:
    if not keywords:
        return text("No conversation has tools.")
    return table(["keyword", "times"], sorted(keywords.items(), key=lambda item: (-item[1], item[0])))

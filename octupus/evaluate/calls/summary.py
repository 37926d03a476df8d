"""The results as tables for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from octupus.evaluate.calls.interval import Share
from octupus.evaluate.calls.results import MEANINGS, Results

WIDTH = 110
COLUMNS = ("", "share", "95 % interval", "of", "meaning")


def summary_text(results: Results) -> str:
    """The tables that the job prints."""
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH)
    overall = results.overall
    title = f"{results.config.endpoint.model}: {overall.requests} requests, {overall.failed} failed"
    console.print(_table(title, [*share_rows(overall.shares), f1_row(overall.argument_f1)]))
    held = results.executed
    if held is not None:
        title = f"executed: {held.conversations} conversations, {held.failed} failed, {held.too_long} too long"
        console.print(_table(title, list(share_rows(held.shares))))
    if results.dataset.skipped:
        console.print(f"conversations that cannot be asked: {counted(results.dataset.skipped)}", markup=False)
    if results.failures:
        console.print(f"failed, and nowhere right: {counted(results.failures)}", markup=False)
    return stream.getvalue()


def share_rows(shares: Mapping[str, Share]) -> Iterator[tuple[str, str, str, str, str]]:
    """A row under COLUMNS for each share that is of anything."""
    for name, share in shares.items():
        if share.share is not None and share.interval is not None:
            low, high = share.interval
            yield name, f"{share.share:.1%}", f"{low:.1%} to {high:.1%}", f"{share.n:,}", MEANINGS[name]


def f1_row(f1: float | None) -> tuple[str, str, str, str, str]:
    """The row of the argument F1, which is no share of anything and has no interval."""
    return "argument_f1", "-" if f1 is None else f"{f1:.1%}", "", "", "harmonic mean of precision and recall"


def counted(counts: Mapping[str, int]) -> str:
    """Names with their counts, on one line."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _table(title: str, rows: list[tuple[str, str, str, str, str]]) -> Table:
    drawn = Table(title=title)
    for column in COLUMNS:
        drawn.add_column(column, justify="right" if column in ("share", "of") else "left")
    for row in rows:
        drawn.add_row(*row)
    return drawn

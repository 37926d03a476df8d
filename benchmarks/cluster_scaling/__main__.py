"""Data, training and serving on 8, 64 and 512 GPUs: which resource saturates first, and the setting that moves it.

    python -m benchmarks.cluster_scaling [--storage-gb-s 5] [--page FILE]

Run from the repository's root. It calculates; nothing is started, and no GPU was used for any number in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.cluster_scaling.constants import CONSTANTS
from benchmarks.cluster_scaling.resource import SIZES
from benchmarks.cluster_scaling.tables import Part, Table, data_part, serving_part, shown, training_part
from octupus import page

_NOTE = "A calculation on paper. No GPU was used: numbers are measured on 2 cores, read in code, public, or assumed."


def main() -> None:
    """Print the tables, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage-gb-s", type=float, default=5.0, help="shared storage, GB/s (default 5)")
    parser.add_argument("--page", type=Path, help="write an HTML page there")
    arguments = parser.parse_args()
    if arguments.storage_gb_s <= 0:
        parser.error("--storage-gb-s must be above 0")
    storage = 1e9 * arguments.storage_gb_s
    parts = [data_part(storage), training_part(storage), serving_part()]
    print("\n".join(verdict for part in parts for verdict in part.verdicts()) + "\n")
    for part in parts:
        print("\n".join(table.text() for table in (part.shares(), *part.tables)))
    if arguments.page is not None:
        page.write_page(arguments.page, "Scaling to 8, 64 and 512 GPUs", sections(parts))
        print(f"page: {arguments.page}")


def sections(parts: list[Part]) -> list[page.Section]:
    """The page: what saturates first, a chart and the tables of each part, and every constant."""
    verdicts = [page.text(verdict) for part in parts for verdict in part.verdicts()]
    made = [page.Section("What saturates first", page.text(_NOTE) + "".join(verdicts))]
    for part in parts:
        body = page.text(
            f"Share of each resource, {part.pace}; from 1 on the work waits for it. Both axes are logarithmic."
        )
        body += chart(part) + "".join(_html(table) for table in (part.shares(), *part.tables))
        made.append(page.Section(part.name.capitalize(), body))
    return [*made, page.Section("Constants", _html(constants()))]


def chart(part: Part) -> str:
    """Shares by size. Sizes are names on the axis: each is eight times the last, so equal steps are logarithmic."""
    names: Any = [str(size) for size in SIZES]
    series = {}
    for resource, shares, _ in part.rows():
        used = [place for place, share in enumerate(shares) if share > 0]  # what is not used has no logarithm
        series[resource] = ([names[place] for place in used], [shares[place] for place in used])
    limit = "1: saturated"
    lines = {**series, limit: (names, [1.0] * len(SIZES))}
    return page.line_chart(lines, "GPUs", "share of the resource", faint=[limit], dotted=series, log_y=True)


def constants() -> Table:
    """Every number from outside, and its source."""
    rows = [[each.name, shown(each.value), each.unit, str(each.kind), each.source] for each in CONSTANTS]
    return Table("", ["constant", "value", "unit", "kind", "source"], rows)


def _html(table: Table) -> str:
    rows = [[shown(value) if isinstance(value, float) else value for value in row] for row in table.rows]
    return (page.text(table.title) if table.title else "") + page.table(table.columns, rows)


if __name__ == "__main__":
    main()

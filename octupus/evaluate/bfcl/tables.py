"""The tables that a run and a comparison print."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from octupus.evaluate.bfcl import ancestors, columns
from octupus.evaluate.bfcl.compare import Change, Comparison
from octupus.evaluate.bfcl.published import Published
from octupus.evaluate.bfcl.weights import WEIGHTS

LISTED_IDS = 200


def scores_table(run: Published) -> Group:
    """All of a run."""
    measured = run.measured
    table = Table(title=f"{measured['benchmark']}: {measured['model']}", title_justify="left")
    table.add_column("")
    for name in ("right", "items", "% (95 % interval)", "weight"):
        table.add_column(name, justify="right")
    for name, score in run.categories.items():
        table.add_row(name, str(run.counts[name].right), str(run.counts[name].total), columns.percent(score), "")
    table.add_section()
    for name, score in run.parts.items():
        table.add_row(name, "", "", columns.percent(score), f"{WEIGHTS[name]:.0%}")
    table.add_section()
    table.add_row("[bold]overall", "", "", f"[bold]{columns.percent(run.overall)}", "")
    table.add_row("of what was run", "", "", columns.percent(run.reweighted), "")
    return Group(table, *(Text(line) for line in notes(run)), ancestors_table(run))


def ancestors_table(run: Published) -> Table:
    """The run in the ancestor's columns, with its own rows apart."""
    table = Table(title="in the columns of octupus-tool-call, percent", title_justify="left")
    table.add_column("")
    table.add_column(f"{run.measured['benchmark']} {run.measured['model']}", justify="right")
    for name in ancestors.V3:
        table.add_column(f"BFCL v3: {name}", justify="right", style="dim")
    for column, value, *older in zip(ancestors.COLUMNS, columns.row(run), *ancestors.V3.values(), strict=True):
        table.add_row(column, columns.shown(value), *(columns.shown(number) for number in older))
    table.caption = "BFCL v3 is another version of the benchmark: its numbers are no measure of v4's"
    return table


def notes(run: Published) -> list[str]:
    """What must be known beside the numbers, one line each."""
    measured = run.measured
    lines = [
        f"{measured['harness']}, {measured['api']} API, constraint {'on' if measured['constrained'] else 'off'}, "
        f"dialect {measured.get('dialect') or 'unknown'}, temperature {measured['temperature']}",
        f"{run.requests:,} requests in {run.seconds:,.0f} s ({run.requests / max(run.seconds, 1e-9):.2f}/s), "
        f"{run.input_tokens:,} tokens in, {run.output_tokens:,} out",
    ]
    if run.failed or run.absent:
        lines.append(
            f"NOT TO BE TRUSTED: {run.failed} items failed in inference and {run.absent} have no result; the harness "
            "scores them all the same"
        )
    if run.unreadable:
        lines.append(f"{run.unreadable} items have calls whose arguments are no JSON, to the harness no calls at all")
    if run.missing:
        lines.append(f"not run, counted as 0 in overall: {', '.join(run.missing)}")
    return lines


def comparison_table(first: Published, second: Published, found: Comparison) -> Group:
    """Two runs, with the items that changed."""
    table = Table(title=f"{second.measured['model']} against {first.measured['model']}", title_justify="left")
    table.add_column("")
    for name in ("items", "first %", "second %", "gained", "lost", "p"):
        table.add_column(name, justify="right")
    for name, change in found.categories.items():
        table.add_row(*_cells(name, change, first, second))
    table.add_section()
    table.add_row(*_cells("all", found.overall, first, second))
    table.caption = "p: chance of a split of the changed items this uneven by luck (exact McNemar test, two-sided)"
    lines = [
        f"{label}: {', '.join(ids[:LISTED_IDS])}{f' and {len(ids) - LISTED_IDS} more' if len(ids) > LISTED_IDS else ''}"
        for label, ids in (("gained", found.overall.gained), ("lost", found.overall.lost))
        if ids
    ]
    if found.only_first or found.only_second:
        lines.append(f"left out: {found.only_first} items of the first run alone, {found.only_second} of the second")
    if first.in_doubt or second.in_doubt:
        lines.append("NOT TO BE TRUSTED: a run was published although items failed in inference")
    return Group(table, *(Text(line) for line in lines))


def _cells(name: str, change: Change, first: Published, second: Published) -> list[str]:
    ids = [item_id for item_id in first.right if item_id in second.right]
    if name != "all":
        ids = [item_id for item_id in ids if item_id.rpartition("_")[0] == name]
    shares = [100 * sum(run.right[item_id] for item_id in ids) / change.items for run in (first, second)]
    numbers = [str(change.items), *(f"{share:.2f}" for share in shares), str(len(change.gained)), str(len(change.lost))]
    return [name, *numbers, f"{change.p_value:.3g}"]

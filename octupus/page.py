"""Results as one self-contained HTML page: tables, charts and text that open anywhere, also offline.

Every text is escaped; charts are SVG drawn by matplotlib and placed inline.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2330 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d8dde6 }
table { border-collapse: collapse; margin: .8rem 0 } th, td { padding: .25rem .8rem; border-bottom: 1px solid #e6e9ef }
th { text-align: left; color: #566073 } td.number { text-align: right; font-variant-numeric: tabular-nums }
pre { background: #f5f7fa; padding: .8rem; overflow-x: auto; white-space: pre-wrap }
svg { max-width: 100%; height: auto }
"""

_DENSE = 500
"""Curves of more points are drawn with a thin line."""


@dataclass(frozen=True)
class Section:
    """A heading and the HTML below it, as the functions of this module make it."""

    heading: str
    body: str


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page."""
    body = "\n".join(f"<h2>{html.escape(section.heading)}</h2>\n{section.body}" for section in sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def write_page(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page to `path`, replacing what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(title, sections), encoding="utf-8", errors="replace")


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; numbers stand right-aligned."""
    head = "".join(f"<th>{html.escape(header)}</th>" for header in headers)
    lines = ["".join(_cell(value) for value in row) for row in rows]
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def text(value: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(value)}</p>"


def preformatted(value: str) -> str:
    """Text with its line breaks and spaces kept."""
    return f"<pre>{html.escape(value)}</pre>"


def folded(heading: str, body: str, anchor: str | None = None) -> str:
    """What is seen once the heading is clicked; `body` is HTML, as this module makes it."""
    identity = "" if anchor is None else f' id="{html.escape(anchor, quote=True)}"'
    return f"<details{identity}><summary>{html.escape(heading)}</summary>\n{body}</details>\n"


def line_chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    faint: Collection[str] = (),
    dotted: Collection[str] = (),
    log_y: bool = False,
) -> str:
    """Curves by name, each as its x and y values; `faint` ones stay in the background, `dotted` ones mark points."""
    figure, axes = _axes(x_label, y_label)
    for name, (x_values, y_values) in series.items():
        width = 0.8 if name in faint or len(x_values) > _DENSE else 1.4
        marker = "o" if name in dotted else None
        colour = "#9db7d5" if name in faint else None
        axes.plot(x_values, y_values, label=_plain(name), linewidth=width, marker=marker, markersize=4, color=colour)
    if log_y:
        axes.set_yscale("log")
    if len(series) > 1:
        axes.legend(frameon=False)
    return _svg(figure)


def stacked_chart(x_values: Sequence[float], parts: Mapping[str, Sequence[float]], x_label: str, y_label: str) -> str:
    """Areas on top of each other, one for each name, over the same x values."""
    figure, axes = _axes(x_label, y_label)
    axes.stackplot(x_values, list(parts.values()), labels=[_plain(name) for name in parts])
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), reverse=True)
    return _svg(figure)


def bar_chart(values: Mapping[str, float], y_label: str) -> str:
    """One bar for each name."""
    figure, axes = _axes("", y_label)
    axes.bar(range(len(values)), list(values.values()), color="#4c78a8")
    axes.set_xticks(range(len(values)), [_plain(name) for name in values], rotation=30, ha="right")
    return _svg(figure)


def histogram(values: Sequence[float], x_label: str, bins: int = 40) -> str:
    """How often values fall into equal ranges."""
    figure, axes = _axes(x_label, "count")
    axes.hist(values, bins=bins, color="#4c78a8")
    return _svg(figure)


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{html.escape(str(value))}</td>"
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return f'<td class="number">{shown}</td>'


def _axes(x_label: str, y_label: str) -> tuple[Any, Any]:
    # Imported here: matplotlib takes a second, and only reports need it. Figure, not pyplot, so no display is sought.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def _plain(name: str) -> str:
    """A label without the dollar signs that matplotlib would read as mathematics."""
    return name.replace("$", r"\$")


def _svg(figure: Any) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", stream.getvalue(), flags=re.DOTALL)

"""A chart of shares with their standard errors, as SVG for a report."""

from __future__ import annotations

import html
from collections.abc import Sequence

from octupus.agent.judge.statistics import Mean

_LABELS, _WIDTH, _ROW = 220, 420, 26


def share_bars(shares: Sequence[tuple[str, Mean]]) -> str:
    """One bar from 0 to 100 % for each share, with a whisker of one standard error to both sides."""
    height = _ROW * len(shares) + 24
    lines = [f'<svg viewBox="0 0 {_LABELS + _WIDTH + 130} {height}" width="770" font-size="12" role="img">']
    for percent in (0, 25, 50, 75, 100):
        x = _LABELS + _WIDTH * percent / 100
        lines.append(f'<line x1="{x:g}" y1="0" x2="{x:g}" y2="{height - 18}" stroke="#d8dde6"/>')
        lines.append(f'<text x="{x:g}" y="{height - 4}" text-anchor="middle" fill="#566073">{percent} %</text>')
    for row, (name, share) in enumerate(shares):
        lines += _bar(row * _ROW, name, share)
    return "\n".join([*lines, "</svg>"])


def _bar(y: int, name: str, share: Mean) -> list[str]:
    middle = y + _ROW / 2
    label = f'<text x="{_LABELS - 8}" y="{middle + 4:g}" text-anchor="end">{html.escape(name)}</text>'
    shown = f'<text x="{_LABELS + _WIDTH + 8}" y="{middle + 4:g}">{share}</text>'
    if share.mean is None or share.standard_error is None:
        return [label, shown]
    low = max(0.0, share.mean - share.standard_error)
    high = min(1.0, share.mean + share.standard_error)
    left, right, width = (_LABELS + _WIDTH * low, _LABELS + _WIDTH * high, _WIDTH * share.mean)
    return [
        label,
        f'<rect x="{_LABELS}" y="{y + 5}" width="{width:.2f}" height="{_ROW - 10}" fill="#4c78a8"/>',
        f'<path d="M{left:.2f} {middle:g}H{right:.2f}M{left:.2f} {middle - 4:g}v8M{right:.2f} {middle - 4:g}v8" '
        'stroke="#1c2330" fill="none"/>',
        shown,
    ]

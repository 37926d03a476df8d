"""The scores of octupus-tool-call, the project that octupus follows: of BFCL v3, which is another benchmark.

Source: the table in the README of github.com/kongjiellx/octupus-tool-call. BFCL v3 had executed categories and weighed
its parts alike; v4 has neither, so no number here may be set against one of v4.
"""

from __future__ import annotations

COLUMNS = (
    "Overall", "Non-Live AST", "Simple", "Multiple", "Parallel", "Parallel Multiple",
    "Live", "Live Simple", "Live Multiple", "Live Parallel", "Live Parallel Multiple",
    "Multi Turn", "Base", "Miss Func", "Miss Param", "Long Context", "Relevance", "Irrelevance",
)  # fmt: skip
"""The ancestor's columns that v4 has too; its five of executed calls are left out."""

V3: dict[str, tuple[float, ...]] = {
    "octupus-tool-call-v1": (
        52.21, 80.69, 65.25, 94.00, 82.50, 81.00,
        73.92, 66.28, 69.72, 31.25, 33.33,
        0.12, 0.00, 0.00, 0.50, 0.00, 73.17, 84.46,
    ),
    "octupus-tool-call-v2": (
        55.69, 84.65, 69.08, 93.00, 90.00, 86.50,
        79.52, 71.32, 73.88, 62.50, 66.67,
        4.50, 8.00, 1.00, 6.50, 2.50, 66.67, 92.28,
    ),
}  # fmt: skip
"""Percent by model, in the order of COLUMNS."""

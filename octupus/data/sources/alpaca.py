"""Alpaca rows: `{"instruction", "input", "output"}`, optionally with `system` and a `history` of earlier pairs."""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation
from octupus.data.reasons import Reason
from octupus.data.sources.turns import Turn, build, sequence, text
from octupus.errors import ConversionError


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return "instruction" in row and "output" in row


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    for key in ("instruction", "output"):
        if key not in row:
            raise ConversionError(Reason.WRONG_SHAPE, f"the row has no {key!r}")
    turns = [Turn("system", text(row.get("system"), "system"))]
    for pair in sequence(row.get("history") or [], "history"):
        if not isinstance(pair, list) or len(pair) != 2:
            raise ConversionError(Reason.WRONG_SHAPE, "history must hold pairs of instruction and output")
        turns += [Turn("user", text(pair[0], "history")), Turn("assistant", text(pair[1], "history"))]
    asked = [text(row[key], key) for key in ("instruction", "input") if row.get(key)]
    turns.append(Turn("user", "\n".join(part for part in asked if part)))
    turns.append(Turn("assistant", text(row["output"], "output")))
    return build(turns, ())

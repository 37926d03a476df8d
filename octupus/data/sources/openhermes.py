"""OpenHermes 2.5: `{"conversations": [{"from", "value", "weight"}], "source", "category", "system_prompt", ...}`.

Most columns are null in most rows. `weight: 0` leaves a turn untrained. The form with another model's answers has
`{"conversation": [{"role", "content"}]}`, sometimes with `tools`; it is converted here when the format is named, and
needs no recognising, since that shape belongs to several corpora.
"""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation, Role
from octupus.data.reasons import Reason
from octupus.data.sources.openai_messages import convert_messages
from octupus.data.sources.turns import Turn, build, mapping, sequence, text
from octupus.errors import ConversionError

ROLES: dict[str, Role] = {"system": "system", "human": "user", "gpt": "assistant"}
COLUMNS = {"source", "system_prompt", "custom_instruction", "skip_prompt_formatting", "avatarUrl"}
"""At least one of these columns is in every row; `category` alone is not enough, other corpora have it, too."""
FOREIGN = {"tools", "functions", "system", "task", "subcategory"}
"""Columns of other corpora with the same turns."""


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    turns = row.get("conversations")
    return (
        isinstance(turns, list)
        and bool(turns)
        and not COLUMNS.isdisjoint(row)
        and FOREIGN.isdisjoint(row)
        and all(isinstance(turn, dict) and str(turn.get("from")) in ROLES for turn in turns)
    )


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    meta = {
        name: row[column]
        for name, column in (("corpus_source", "source"), ("category", "category"))
        if isinstance(row.get(column), str) and row[column]
    }
    if row.get("conversations") is None and row.get("conversation") is not None:
        return convert_messages(row["conversation"], row.get("tools")).model_copy(update={"meta": meta})
    values = sequence(row.get("conversations"), "conversations")
    turns = [_turn(value, f"turn {position}") for position, value in enumerate(values)]
    if not any(turn.role == "system" for turn in turns):
        turns.insert(0, Turn("system", text(row.get("system_prompt"), "system_prompt")))
    return build(turns, (), meta)


def _turn(value: Any, where: str) -> Turn:
    turn = mapping(value, where)
    role = ROLES.get(str(turn.get("from")))
    if role is None:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {turn.get('from')!r}")
    return Turn(role, text(turn.get("value"), where), trained=turn.get("weight") != 0)

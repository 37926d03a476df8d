"""Questions of the Berkeley Function-Calling Leaderboard, versions 3 and 4: what training data must not hold.

`{"id", "question": [[{"role", "content"}, ...], ...], "function": [...]}`: a list of messages for each user turn. The
conversation has the system's and the users' messages and the tools, and no answer, so it is never trained; it is what
decontamination compares with. Multi-turn questions name classes in place of functions and so have no tools here.
"""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation, Role
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Turn, build, mapping, sequence, text

ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user"}


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    question = row.get("question")
    return "id" in row and isinstance(question, list) and bool(question) and isinstance(question[0], list)


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation without an answer. Raises ConversionError."""
    turns: list[Turn] = []
    for position, messages in enumerate(sequence(row.get("question"), "question")):
        where = f"user turn {position}"
        for value in sequence(messages, where):
            message = mapping(value, f"a message of {where}")
            role = ROLES.get(str(message.get("role")))
            if role:
                turns.append(Turn(role, text(message.get("content"), f"a message of {where}")))
    identity = row.get("id")
    return build(turns, parse_tools(row.get("function")), {"id": identity} if isinstance(identity, str) else {})

"""WildChat: talk with a public chat, `{"conversation": [{"role", "content", ...}], "model", "language", ...}`.

WildChat, WildChat-1M, and the deduplicated English and Chinese form, which has `conversation` alone. Who wrote is never
kept: not the address's hash, the browser's headers, the country or the time.
"""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation, Role
from octupus.data.reasons import Reason
from octupus.data.sources.turns import Turn, build, mapping, sequence, text
from octupus.errors import ConversionError

ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
MARKS = {"conversation_hash", "conversation_id", "openai_moderation", "detoxify_moderation"}
"""Columns that no other corpus has."""
TOXICITY_THRESHOLD = 0.5
"""Above this a Detoxify score marks the conversation; the corpus's own mark counts as well, so this decides only where
a release left that mark out."""


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    messages = row.get("conversation")
    if not isinstance(messages, list) or not messages:
        return False
    if not all(isinstance(message, dict) and {"role", "content"} <= set(message) for message in messages):
        return False
    bare = set(row) == {"conversation"} and all(set(message) == {"role", "content"} for message in messages)
    return bare or not MARKS.isdisjoint(row)


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    messages = [
        mapping(value, f"message {position}")
        for position, value in enumerate(sequence(row.get("conversation"), "conversation"))
    ]
    turns = [_turn(message, f"message {position}") for position, message in enumerate(messages)]
    return build(turns, (), _meta(row, messages))


def _turn(message: dict[str, Any], where: str) -> Turn:
    role = ROLES.get(str(message.get("role")))
    if role is None:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {message.get('role')!r}")
    content = text(message.get("content"), f"content of {where}")
    problem = None
    if role == "assistant" and not (content or "").strip():
        # The service broke off here, mostly in the last message; what was said before is sound.
        problem = Reason.EMPTY_ASSISTANT, f"{where} says nothing"
    return Turn(role, content, problem=problem)


def _meta(row: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """What later steps ask for. The bare form says nothing about itself, so nothing is claimed for it."""
    meta: dict[str, Any] = {
        name: row[column]
        for name, column in (("declared_language", "language"), ("model", "model"))
        if isinstance(row.get(column), str) and row[column]
    }
    if set(row) != {"conversation"}:
        marked = [row, *messages]
        meta["toxic"] = any(part.get("toxic") is True for part in marked) or _moderated(row)
        meta["redacted"] = any(part.get("redacted") is True for part in marked)
    return meta


def _moderated(row: dict[str, Any]) -> bool:
    """Whether one of the two moderation models, which judged every message, marked any."""
    if any(judged.get("flagged") is True for judged in _objects(row.get("openai_moderation"))):
        return True
    scores = [judged.get("toxicity") for judged in _objects(row.get("detoxify_moderation"))]
    return any(isinstance(score, int | float) and score > TOXICITY_THRESHOLD for score in scores)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

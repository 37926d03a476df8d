"""Open Assistant's trees: `{"message_tree_id", "prompt": {"role", "text", "lang", "replies": [...]}}`, replies nested.

A row holds several conversations: one for each assistant message with no other below it. So a user's message that
nobody answered is left out, and no conversation is only the beginning of another. Messages that were deleted or failed
review end their branch. Conversations share their first messages; an assistant message is trained in the first that
holds it and is context in the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from octupus.conversation import Conversation, Role
from octupus.data.reasons import Reason
from octupus.data.sources.turns import Turn, build, mapping, sequence, text
from octupus.errors import ConversionError

ROLES: dict[str, Role] = {"prompter": "user", "assistant": "assistant"}
ROOT = -1


@dataclass(frozen=True, slots=True)
class _Node:
    """One message of a tree; `parent` is a position in the list of nodes."""

    role: Role
    content: str
    parent: int


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return "message_tree_id" in row and isinstance(row.get("prompt"), dict)


def convert(row: dict[str, Any]) -> tuple[Conversation, ...]:
    """The tree's conversations. Raises ConversionError."""
    prompt = mapping(row.get("prompt"), "prompt")
    nodes = _nodes(prompt)
    language = prompt.get("lang")
    meta = {"declared_language": language} if isinstance(language, str) and language else {}
    conversations: list[Conversation] = []
    trained: set[int] = set()
    for end in _ends(nodes):
        path: list[int] = []
        position = end
        while position != ROOT:
            path.append(position)
            position = nodes[position].parent
        path.reverse()
        turns = [Turn(nodes[each].role, nodes[each].content, trained=each not in trained) for each in path]
        conversations.append(build(turns, (), meta))
        trained.update(path)
    if not conversations:
        raise ConversionError(Reason.NO_ASSISTANT, "no branch of the tree holds a usable answer")
    return tuple(conversations)


def _nodes(prompt: dict[str, Any]) -> list[_Node]:
    """The usable messages, each before its replies. Without recursion, since a row may be nested at will."""
    nodes: list[_Node] = []
    waiting: list[tuple[Any, int]] = [(prompt, ROOT)]
    while waiting:
        value, parent = waiting.pop()
        message = mapping(value, "a reply")
        if message.get("deleted") is True or message.get("review_result") is False:
            continue
        role = ROLES.get(str(message.get("role")))
        if role is None:
            raise ConversionError(Reason.ROLES_ERROR, f"a message has the unknown role {message.get('role')!r}")
        content = text(message.get("text"), "text of a message") or ""
        if not content.strip():
            continue
        replies = sequence(message.get("replies") or [], "replies")
        waiting += [(reply, len(nodes)) for reply in reversed(replies)]
        nodes.append(_Node(role, content, parent))
    return nodes


def _ends(nodes: list[_Node]) -> list[int]:
    """Positions of the assistant messages that have no other below, in order."""
    answered = [False] * len(nodes)
    ends: list[int] = []
    for position in range(len(nodes) - 1, -1, -1):
        node = nodes[position]
        if node.role == "assistant" and not answered[position]:
            ends.append(position)
        if node.parent != ROOT and (answered[position] or node.role == "assistant"):
            answered[node.parent] = True
    return ends[::-1]

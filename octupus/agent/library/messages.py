"""Chat messages: chats with people and groups. 聊天。"""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

CATEGORY = "Communication"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))
_LINES = [
    "On my way!", "Did you see the news?", "Thanks for yesterday.", "Can you call me later?", "Happy birthday!",
    "The train is late again.", "See you at six.", "Which colour do you like better?", "I found your scarf.",
    "晚上一起吃饭吗？", "周末有空吗？", "我到家了。",
]  # fmt: skip


def initial_state(seed: int) -> dict[str, Any]:
    """Four chats with one person each and a group, with a few messages."""
    draw = random.Random(f"messages:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    people = [person["name"] for person in draw.sample(_CAST["people"], 7)]
    chats: list[dict[str, Any]] = [
        {"id": f"chat_{number}", "name": name, "members": [name], "muted": False}
        for number, name in enumerate(people[:4], 1)
    ]
    chats.append(
        {"id": "chat_5", "name": draw.choice(["Hiking", "Family", "Book club"]), "members": people[4:], "muted": False}
    )
    messages = []
    for number, ago in enumerate(sorted((draw.randrange(5, 3000) for _ in range(12)), reverse=True), 1):
        chat = draw.choice(chats)
        messages.append(
            {
                "id": f"msg_{number}",
                "chat_id": chat["id"],
                "sender": draw.choice(chat["members"]),
                "text": draw.choice(_LINES),
                "sent": (datetime.fromisoformat(now) - timedelta(minutes=ago)).isoformat(timespec="minutes"),
            }
        )
    return {"now": now, "chats": chats, "messages": messages, "next_id": 13}


def list_chats(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the chats with their members."""
    return {"chats": state["chats"]}


def read_chat(chat_id: str, limit: int = 10, *, state: dict[str, Any]) -> dict[str, Any]:
    """Read the latest messages of a chat, oldest first.

    Args:
        chat_id: Id of the chat, such as chat_2.
        limit: Most messages to give, from 1 to 100.
    """
    chat = _chat(chat_id, state)
    if not 1 <= limit <= 100:
        raise ValueError(f"limit must be from 1 to 100, not {limit}")
    found = [message for message in state["messages"] if message["chat_id"] == chat_id]
    return {"chat": chat["name"], "messages": found[-limit:]}


def send_chat_message(chat_id: str, text: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Send a message to a chat.

    Args:
        chat_id: Id of the chat, such as chat_2.
        text: What to say, up to 2000 characters.
    """
    _chat(chat_id, state)
    if not text.strip() or len(text) > 2000:
        raise ValueError("text must have 1 to 2000 characters")
    message = {"id": f"msg_{state['next_id']}", "chat_id": chat_id, "sender": "me", "text": text, "sent": state["now"]}
    state["next_id"] += 1
    state["messages"].append(message)
    return message


def start_chat(members: list[str], name: str = "", *, state: dict[str, Any]) -> dict[str, Any]:
    """Start a chat with one person, or a group.

    Args:
        members: Names of the people, at least one.
        name: Name of a group; a chat with one person has the person's.
    """
    people = list(dict.fromkeys(member.strip() for member in members if member.strip()))
    if not people:
        raise ValueError("members must hold at least one name")
    if len(people) > 1 and not name.strip():
        raise ValueError("a group needs a name")
    for chat in state["chats"]:
        if sorted(chat["members"]) == sorted(people):
            raise ValueError(f"{chat['id']} ({chat['name']}) has the same members already")
    chat = {"id": f"chat_{state['next_id']}", "name": name.strip() or people[0], "members": people, "muted": False}
    state["next_id"] += 1
    state["chats"].append(chat)
    return chat


def mute_chat(chat_id: str, muted: bool = True, *, state: dict[str, Any]) -> dict[str, Any]:
    """Turn the sounds of a chat off or on.

    Args:
        chat_id: Id of the chat, such as chat_2.
        muted: Whether sounds are off.
    """
    chat = _chat(chat_id, state)
    chat["muted"] = muted
    return chat


def search_messages(text: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Find messages of all chats that hold a text.

    Args:
        text: Text to look for, in any case of letters.
    """
    if not text.strip():
        raise ValueError("text must not be empty")
    return {"messages": [message for message in state["messages"] if text.casefold() in message["text"].casefold()]}


def _chat(chat_id: str, state: dict[str, Any]) -> dict[str, Any]:
    chats: list[dict[str, Any]] = state["chats"]
    for chat in chats:
        if chat["id"] == chat_id:
            return chat
    known = ", ".join(f"{chat['id']} ({chat['name']})" for chat in chats)
    raise ValueError(f"there is no chat {chat_id!r}; there are: {known}")

"""Notes with tags."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

CATEGORY = "Tools"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))
_LONGEST = 10_000


def initial_state(seed: int) -> dict[str, Any]:
    """Five notes."""
    draw = random.Random(f"notes:{seed}")
    texts = [
        ("Gift ideas", "Anna: a scarf. Ben: a puzzle. Hana: tea.", ["gifts"]),
        ("Wifi at the cabin", "Network Birch, password on the fridge.", ["travel"]),
        ("Running plan", "Monday 5 km, Wednesday 8 km, Sunday 12 km.", ["sport", "health"]),
        ("Films to see", "Spirited Away, Persepolis, Toy Story.", ["leisure"]),
        ("Meeting questions", "Who signs the contract? When does the budget close?", ["work"]),
        ("Plant care", "Water the fern twice a week, the cactus once a month.", ["home"]),
        ("生词", "灯笼、旅程、智慧。", ["language"]),
        ("Packing list", "Passport, charger, umbrella, book.", ["travel"]),
    ]
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    notes = [
        {"id": f"note_{number}", "title": title, "text": text, "tags": tags, "changed": now}
        for number, (title, text, tags) in enumerate(draw.sample(texts, 5), 1)
    ]
    return {"now": now, "notes": notes, "next_id": 6}


def create_note(title: str, text: str, tags: list[str] | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Write a new note.

    Args:
        title: Its title, which no other note has.
        text: What it says.
        tags: Words to find it by.
    """
    if not title.strip():
        raise ValueError("title must not be empty")
    for other in state["notes"]:
        if other["title"].casefold() == title.strip().casefold():
            raise ValueError(f"{other['id']} is titled {other['title']!r} already; append_to_note adds to it")
    _check_length(text)
    note = {
        "id": f"note_{state['next_id']}",
        "title": title.strip(),
        "text": text,
        "tags": _tags(tags or []),
        "changed": state["now"],
    }
    state["next_id"] += 1
    state["notes"].append(note)
    return note


def find_notes(text: str = "", tag: str | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Find notes by a text in title or body and by tag; without either, all notes.

    Args:
        text: Text to look for, in any case of letters.
        tag: A tag that the note has.
    """
    wanted = text.casefold()
    found = [
        note
        for note in state["notes"]
        if wanted in f"{note['title']}\n{note['text']}".casefold()
        and (tag is None or tag.strip().casefold() in note["tags"])
    ]
    return {"notes": found}


def append_to_note(note_id: str, text: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Add a line to the end of a note.

    Args:
        note_id: Id of the note, such as note_2.
        text: What to add.
    """
    note = _note(note_id, state)
    if not text.strip():
        raise ValueError("text must not be empty")
    longer = f"{note['text']}\n{text}"
    _check_length(longer)
    note["text"] = longer
    note["changed"] = state["now"]
    return note


def tag_note(note_id: str, tags: list[str], *, state: dict[str, Any]) -> dict[str, Any]:
    """Give a note other tags in place of those it has.

    Args:
        note_id: Id of the note, such as note_2.
        tags: The new tags; an empty list takes all away.
    """
    note = _note(note_id, state)
    note["tags"] = _tags(tags)
    return note


def delete_note(note_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Delete a note.

    Args:
        note_id: Id of the note, such as note_2.
    """
    note = _note(note_id, state)
    state["notes"].remove(note)
    return {"deleted": note}


def _note(note_id: str, state: dict[str, Any]) -> dict[str, Any]:
    notes: list[dict[str, Any]] = state["notes"]
    for note in notes:
        if note["id"] == note_id:
            return note
    known = ", ".join(f"{note['id']} ({note['title']})" for note in notes) or "none"
    raise ValueError(f"there is no note {note_id!r}; there are: {known}")


def _tags(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip().casefold() for tag in tags if tag.strip()))


def _check_length(text: str) -> None:
    if len(text) > _LONGEST:
        raise ValueError(f"a note holds at most {_LONGEST} characters, and this one would have {len(text)}")

"""An address book: names, e-mail addresses, telephone numbers, cities and birthdays."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Communication"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

Group = Literal["family", "friends", "work", "other"]


def initial_state(seed: int) -> dict[str, Any]:
    """Fourteen people of the cast in groups."""
    draw = random.Random(f"contacts:{seed}")
    contacts = [
        {"id": f"con_{number}", **person, "group": draw.choice(["family", "friends", "work", "other"])}
        for number, person in enumerate(draw.sample(_CAST["people"], 14), 1)
    ]
    return {"now": _CAST["mornings"][seed % len(_CAST["mornings"])], "contacts": contacts, "next_id": 15}


def find_contact(name: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Find people by name, with e-mail address, telephone number, city and birthday.

    Args:
        name: A name or a part of it, in Latin or Chinese characters.
    """
    wanted = name.strip().casefold()
    if not wanted:
        raise ValueError("name must not be empty")
    found = [
        contact
        for contact in state["contacts"]
        if wanted in contact["name"].casefold() or wanted in contact["chinese_name"]
    ]
    if not found:
        names = ", ".join(contact["name"] for contact in state["contacts"])
        raise ValueError(f"nobody in the address book is called {name!r}; in it are: {names}")
    return {"contacts": found}


def list_contacts(group: Group | None = None, city: str | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the people in the address book, or those of a group or city.

    Args:
        group: Group they belong to.
        city: City they live in, such as Paris.
    """
    found = [
        {key: contact[key] for key in ("id", "name", "group", "city")}
        for contact in state["contacts"]
        if group in (None, contact["group"]) and (city is None or contact["city"].casefold() == city.strip().casefold())
    ]
    return {"contacts": found}


def add_contact(
    name: str,
    email: str,
    phone: str = "",
    city: str = "",
    group: Group = "other",
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Add a person to the address book.

    Args:
        name: Full name.
        email: E-mail address.
        phone: Telephone number.
        city: City the person lives in.
        group: Group the person belongs to.
    """
    if not name.strip():
        raise ValueError("name must not be empty")
    _check_email(email, "", state)
    contact = {
        "id": f"con_{state['next_id']}",
        "name": name.strip(),
        "chinese_name": "",
        "email": email,
        "phone": phone,
        "city": city,
        "birthday": "",
        "group": group,
    }
    state["next_id"] += 1
    state["contacts"].append(contact)
    return contact


def update_contact(
    contact_id: str,
    email: str | None = None,
    phone: str | None = None,
    city: str | None = None,
    group: Group | None = None,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Change what the address book says of a person; what is left out stays.

    Args:
        contact_id: Id of the person, such as con_3.
        email: New e-mail address.
        phone: New telephone number.
        city: New city.
        group: New group.
    """
    contact = _contact(contact_id, state)
    changes = {"email": email, "phone": phone, "city": city, "group": group}
    given = {key: value for key, value in changes.items() if value is not None}
    if not given:
        raise ValueError("nothing to change: give email, phone, city or group")
    if email is not None:
        _check_email(email, contact_id, state)
    contact.update(given)
    return contact


def delete_contact(contact_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Take a person out of the address book.

    Args:
        contact_id: Id of the person, such as con_3.
    """
    contact = _contact(contact_id, state)
    state["contacts"].remove(contact)
    return {"deleted": contact}


def _contact(contact_id: str, state: dict[str, Any]) -> dict[str, Any]:
    contacts: list[dict[str, Any]] = state["contacts"]
    for contact in contacts:
        if contact["id"] == contact_id:
            return contact
    known = ", ".join(f"{contact['id']} ({contact['name']})" for contact in contacts) or "none"
    raise ValueError(f"there is no contact {contact_id!r}; there are: {known}")


def _check_email(email: str, but: str, state: dict[str, Any]) -> None:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise ValueError(f"email must be an address such as name@example.com, not {email!r}")
    for other in state["contacts"]:
        if other["id"] != but and other["email"].casefold() == email.casefold():
            raise ValueError(f"{other['id']} ({other['name']}) has the address {email} already")

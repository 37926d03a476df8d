"""E-mail: folders, reading, sending, answering and searching."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

CATEGORY = "Communication"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

Folder = Literal["inbox", "archive", "sent", "trash"]
_FOLDERS: tuple[str, ...] = get_args(Folder)
_LETTERS = [
    ("Dinner on Friday", "Are you free for dinner on Friday at seven? I would like to try the new place."),
    ("Invoice attached", "Please find the invoice for last month. It is due in two weeks."),
    ("Meeting notes", "We agreed to send the draft by Wednesday. Tell me if something is missing."),
    ("Photos from the trip", "The pictures are online now. My favourite is the one at the lake."),
    ("Question about the report", "Which numbers did you use in the second table? I cannot find the source."),
    ("Moving house", "We are moving at the end of the month and could use some help with the boxes."),
    ("Book recommendation", "You asked for a good book. Try the one about the lighthouse keeper."),
    ("周末爬山", "周末一起去爬山吗？早上八点在地铁站见。"),
    ("Conference tickets", "The tickets are cheaper until Monday. Shall I buy two?"),
    ("Bike for sale", "I am selling my old bike for 120 euros. Do you know anybody who needs one?"),
]


def initial_state(seed: int) -> dict[str, Any]:
    """Seven mails from people of the cast, the newest last."""
    draw = random.Random(f"mail:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    hours = sorted((draw.randrange(1, 200) for _ in range(7)), reverse=True)
    mails = [
        {
            "id": f"mail_{number}",
            "folder": draw.choice(["inbox", "inbox", "inbox", "archive"]),
            "from": person["email"],
            "to": [_CAST["me"]["email"]],
            "cc": [],
            "subject": subject,
            "body": f"{body}\n\n{person['name']}",
            "sent": (datetime.fromisoformat(now) - timedelta(hours=ago)).isoformat(timespec="minutes"),
            "read": draw.random() < 0.5,
        }
        for number, (person, (subject, body), ago) in enumerate(
            zip(draw.sample(_CAST["people"], 7), draw.sample(_LETTERS, 7), hours, strict=True), 1
        )
    ]
    return {"now": now, "address": _CAST["me"]["email"], "mails": mails, "next_id": 8}


def list_mails(
    folder: Folder = "inbox", unread_only: bool = False, limit: int = 20, *, state: dict[str, Any]
) -> dict[str, Any]:
    """List mails of a folder without their text, newest first.

    Args:
        folder: Folder to look into.
        unread_only: Whether only mails that were not read yet are listed.
        limit: Most mails to list, from 1 to 100.
    """
    _check_folder(folder)
    if not 1 <= limit <= 100:
        raise ValueError(f"limit must be from 1 to 100, not {limit}")
    found = [mail for mail in state["mails"] if mail["folder"] == folder and not (unread_only and mail["read"])]
    return {"mails": [_headline(mail) for mail in reversed(found)][:limit]}


def read_mail(mail_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Read a mail, which is marked as read by that.

    Args:
        mail_id: Id of the mail, such as mail_3.
    """
    mail = _mail(mail_id, state)
    mail["read"] = True
    return dict(mail)


def search_mails(text: str = "", sender: str = "", *, state: dict[str, Any]) -> dict[str, Any]:
    """Search all folders for a text in subject or body, for a sender, or for both.

    Args:
        text: Text in the subject or the body, in any case of letters.
        sender: Part of the sender's address.
    """
    if not text and not sender:
        raise ValueError("give text, sender, or both")
    found = [
        mail
        for mail in state["mails"]
        if text.casefold() in f"{mail['subject']}\n{mail['body']}".casefold()
        and sender.casefold() in mail["from"].casefold()
    ]
    return {"mails": [_headline(mail) for mail in reversed(found)]}


def send_mail(
    to: list[str], subject: str, body: str, cc: list[str] | None = None, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Send a mail.

    Args:
        to: Addresses of the receivers, at least one.
        subject: What it is about.
        body: Its text.
        cc: Addresses that get a copy.
    """
    if not to:
        raise ValueError("to must hold at least one address")
    for address in [*to, *(cc or [])]:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address):
            raise ValueError(f"{address!r} is no mail address; find_contact gives the addresses of people")
    if not subject.strip():
        raise ValueError("subject must not be empty")
    return _headline(_send(to, cc or [], subject, body, state))


def reply_to_mail(mail_id: str, body: str, reply_all: bool = False, *, state: dict[str, Any]) -> dict[str, Any]:
    """Answer a mail; the subject gets `Re:` in front.

    Args:
        mail_id: Id of the mail to answer, such as mail_3.
        body: Text of the answer.
        reply_all: Whether all who received the mail get the answer, not only its sender.
    """
    mail = _mail(mail_id, state)
    if not body.strip():
        raise ValueError("body must not be empty")
    others = [address for address in mail["to"] + mail["cc"] if address not in (state["address"], mail["from"])]
    subject = mail["subject"] if mail["subject"].startswith("Re: ") else f"Re: {mail['subject']}"
    return _headline(_send([mail["from"]], others if reply_all else [], subject, body, state))


def move_mail(mail_id: str, folder: Folder, *, state: dict[str, Any]) -> dict[str, Any]:
    """Move a mail into another folder, such as the trash.

    Args:
        mail_id: Id of the mail, such as mail_3.
        folder: Folder to move it into.
    """
    mail = _mail(mail_id, state)
    _check_folder(folder)
    if mail["folder"] == folder:
        raise ValueError(f"{mail_id} is in {folder} already")
    mail["folder"] = folder
    return _headline(mail)


def _mail(mail_id: str, state: dict[str, Any]) -> dict[str, Any]:
    mails: list[dict[str, Any]] = state["mails"]
    for mail in mails:
        if mail["id"] == mail_id:
            return mail
    raise ValueError(f"there is no mail {mail_id!r}; there are: {', '.join(mail['id'] for mail in mails)}")


def _check_folder(folder: str) -> None:
    if folder not in _FOLDERS:
        raise ValueError(f"folder must be one of {', '.join(_FOLDERS)}, not {folder!r}")


def _headline(mail: dict[str, Any]) -> dict[str, Any]:
    return {key: mail[key] for key in ("id", "folder", "from", "to", "subject", "sent", "read")}


def _send(to: list[str], cc: list[str], subject: str, body: str, state: dict[str, Any]) -> dict[str, Any]:
    mail = {
        "id": f"mail_{state['next_id']}",
        "folder": "sent",
        "from": state["address"],
        "to": list(dict.fromkeys(to)),
        "cc": list(dict.fromkeys(cc)),
        "subject": subject,
        "body": body,
        "sent": state["now"],
        "read": True,
    }
    state["next_id"] += 1
    state["mails"].append(mail)
    return mail

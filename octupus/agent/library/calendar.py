"""A calendar: events, free time, and no two events at once."""

from __future__ import annotations

import json
import random
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

CATEGORY = "Business"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))


def initial_state(seed: int) -> dict[str, Any]:
    """Eight events on the days after now, none of which overlap."""
    draw = random.Random(f"calendar:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    titles = draw.sample(
        ["Team meeting", "Budget review", "Lunch with a friend", "Interview", "Project kick-off", "Yoga class",
         "Piano lesson", "Design review", "Coffee break", "Parents' evening", "Book club", "Planning"], 8
    )  # fmt: skip
    times = [(day, hour) for day in range(5) for hour in (9, 11, 13, 15, 17)]
    events = []
    for number, (title, (ahead, hour)) in enumerate(zip(titles, sorted(draw.sample(times, 8)), strict=True), 1):
        start = datetime.fromisoformat(f"{now[:10]}T00:00") + timedelta(days=1 + ahead, hours=hour)
        end = start + timedelta(minutes=draw.choice([30, 60, 90]))
        people = draw.sample(_CAST["people"], draw.randrange(3))
        events.append(
            {
                "id": f"evt_{number}",
                "title": title,
                "start": start.isoformat(timespec="minutes"),
                "end": end.isoformat(timespec="minutes"),
                "attendees": [person["email"] for person in people],
                "location": draw.choice(["", "Room 1", "Room 2", "online"]),
            }
        )
    return {"now": now, "events": events, "next_id": 9}


def list_events(from_date: str, to_date: str | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the events of one day or of several.

    Args:
        from_date: First day, as YYYY-MM-DD.
        to_date: Last day, as YYYY-MM-DD; without it, only the first day.
    """
    first = _day(from_date, "from_date")
    last = _day(to_date, "to_date") if to_date is not None else first
    if last < first:
        raise ValueError(f"to_date {to_date} is before from_date {from_date}")
    found = [event for event in state["events"] if event["start"][:10] <= str(last) and event["end"][:10] >= str(first)]
    return {"events": sorted(found, key=lambda event: str(event["start"]))}


def create_event(
    title: str,
    start: str,
    end: str,
    attendees: list[str] | None = None,
    location: str = "",
    allow_overlap: bool = False,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Put a new event into the calendar.

    Args:
        title: What the event is.
        start: Its beginning, as YYYY-MM-DDTHH:MM.
        end: Its end, as YYYY-MM-DDTHH:MM.
        attendees: E-mail addresses of the people who are invited.
        location: Where it is.
        allow_overlap: Whether it may be at the same time as another event.
    """
    if not title.strip():
        raise ValueError("title must not be empty")
    for address in attendees or []:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
            raise ValueError(f"attendees must be e-mail addresses, and {address!r} is none")
    times = _span(start, end)
    if not allow_overlap:
        _refuse_overlap(times, "", state)
    event = {
        "id": f"evt_{state['next_id']}",
        "title": title,
        **times,
        "attendees": list(dict.fromkeys(attendees or [])),
        "location": location,
    }
    state["next_id"] += 1
    state["events"].append(event)
    return event


def reschedule_event(event_id: str, start: str, end: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Move an event to another time that is free.

    Args:
        event_id: Id of the event, such as evt_3.
        start: New beginning, as YYYY-MM-DDTHH:MM.
        end: New end, as YYYY-MM-DDTHH:MM.
    """
    event = _event(event_id, state)
    times = _span(start, end)
    _refuse_overlap(times, event_id, state)
    event.update(times)
    return event


def delete_event(event_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Take an event out of the calendar.

    Args:
        event_id: Id of the event, such as evt_3.
    """
    event = _event(event_id, state)
    state["events"].remove(event)
    return {"deleted": event}


def find_free_time(date: str, duration_minutes: int, *, state: dict[str, Any]) -> dict[str, Any]:
    """Find the stretches of a day between 08:00 and 20:00 that are free for long enough.

    Args:
        date: Day, as YYYY-MM-DD.
        duration_minutes: Least length of a stretch, from 5 to 720 minutes.
    """
    day = _day(date, "date")
    if not 5 <= duration_minutes <= 720:
        raise ValueError(f"duration_minutes must be from 5 to 720, not {duration_minutes}")
    needed = timedelta(minutes=duration_minutes)
    begin, close = f"{day}T08:00", f"{day}T20:00"
    free = []
    for event in sorted(state["events"], key=lambda event: str(event["start"])):
        upto = min(event["start"], close)
        if datetime.fromisoformat(upto) - datetime.fromisoformat(begin) >= needed:
            free.append({"start": begin, "end": upto})
        begin = max(begin, event["end"])
    if datetime.fromisoformat(close) - datetime.fromisoformat(begin) >= needed:
        free.append({"start": begin, "end": close})
    return {"date": str(day), "free": free}


def _event(event_id: str, state: dict[str, Any]) -> dict[str, Any]:
    events: list[dict[str, Any]] = state["events"]
    for event in events:
        if event["id"] == event_id:
            return event
    raise ValueError(
        f"there is no event {event_id!r}; there are: {', '.join(event['id'] for event in events) or 'none'}"
    )


def _day(text: str, parameter: str) -> date:
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{parameter} must be a day such as 2026-03-14, not {text!r}")


def _moment(text: str, parameter: str) -> datetime:
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:00)?", text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{parameter} must be a time such as 2026-03-14T09:30, not {text!r}")


def _span(start: str, end: str) -> dict[str, str]:
    first, last = _moment(start, "start"), _moment(end, "end")
    if not timedelta() < last - first <= timedelta(days=14):
        raise ValueError(f"end must be after start, and at most 14 days; from {start} to {end} is not")
    return {"start": first.isoformat(timespec="minutes"), "end": last.isoformat(timespec="minutes")}


def _refuse_overlap(times: dict[str, str], but: str, state: dict[str, Any]) -> None:
    for other in state["events"]:
        if other["id"] != but and times["start"] < other["end"] and other["start"] < times["end"]:
            raise ValueError(
                f"{other['id']} ({other['title']}) is from {other['start']} to {other['end']}, which overlaps; "
                "find_free_time shows what is free"
            )

"""The time in cities, alarms and timers."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Tools"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def initial_state(seed: int) -> dict[str, Any]:
    """A clock in Berlin and three alarms."""
    draw = random.Random(f"alarms:{seed}")
    labels = draw.sample(["wake up", "take medicine", "walk the dog", "water plants", "call home", "stretch"], 3)
    times = sorted(f"{hour:02d}:{draw.choice([0, 15, 30, 45]):02d}" for hour in draw.sample(range(6, 23), 3))
    alarms = [
        {"id": f"alm_{number}", "time": time, "label": label, "days": draw.choice([[], ["Monday"], ["Saturday"]])}
        for number, (time, label) in enumerate(zip(times, labels, strict=True), 1)
    ]
    return {"now": _CAST["mornings"][seed % len(_CAST["mornings"])], "alarms": alarms, "timers": [], "next_id": 4}


def get_current_time(city: str | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tell the date, the weekday and the time.

    Args:
        city: City whose standard time is wanted, such as Tokyo; without it, the user's own in Berlin.
    """
    place = _city(city or "Berlin")
    offset = place["utc_offset_hours"] - _city("Berlin")["utc_offset_hours"]
    moment = datetime.fromisoformat(state["now"]) + timedelta(hours=offset)
    return {"city": place["name"], "time": moment.isoformat(timespec="minutes"), "weekday": f"{moment:%A}"}


def set_alarm(
    time: str, label: str = "", days: list[Weekday] | None = None, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Set an alarm, for once or for certain weekdays.

    Args:
        time: When it rings, as HH:MM in 24 hours.
        label: What it is for.
        days: Weekdays on which it rings again and again; without them, it rings once.
    """
    if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", time):
        raise ValueError(f"time must be HH:MM in 24 hours, such as 07:30, not {time!r}")
    chosen = list(dict.fromkeys(days or []))
    for other in state["alarms"]:
        if other["time"] == time and other["days"] == chosen:
            raise ValueError(f"alarm {other['id']} already rings at {time} on the same days")
    alarm = {"id": f"alm_{state['next_id']}", "time": time, "label": label, "days": chosen}
    state["next_id"] += 1
    state["alarms"].append(alarm)
    return alarm


def list_alarms(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the alarms that are set and the timers that run."""
    return {"alarms": state["alarms"], "timers": state["timers"]}


def cancel_alarm(alarm_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Take away an alarm or stop a timer.

    Args:
        alarm_id: Id of the alarm or timer, such as alm_1 or tmr_4.
    """
    for records in (state["alarms"], state["timers"]):
        for record in records:
            if record["id"] == alarm_id:
                records.remove(record)
                return {"cancelled": record}
    known = ", ".join(record["id"] for record in state["alarms"] + state["timers"]) or "none"
    raise ValueError(f"there is no alarm or timer {alarm_id!r}; there are: {known}")


def start_timer(minutes: int, label: str = "", *, state: dict[str, Any]) -> dict[str, Any]:
    """Start a timer that ends after some minutes.

    Args:
        minutes: How long it runs, from 1 to 1440.
        label: What it is for.
    """
    if not 1 <= minutes <= 1440:
        raise ValueError(f"minutes must be from 1 to 1440, not {minutes}")
    end = datetime.fromisoformat(state["now"]) + timedelta(minutes=minutes)
    timer = {"id": f"tmr_{state['next_id']}", "ends": end.isoformat(timespec="minutes"), "label": label}
    state["next_id"] += 1
    state["timers"].append(timer)
    return timer


def _city(name: str) -> dict[str, Any]:
    for city in _CAST["cities"]:
        if name.strip().casefold() in (city["name"].casefold(), city["chinese_name"]):
            return dict(city)
    raise ValueError(f"no city {name!r} is known; the cities are {', '.join(city['name'] for city in _CAST['cities'])}")

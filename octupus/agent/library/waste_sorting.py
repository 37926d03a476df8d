"""Which bin waste belongs in, by the rules of a city, and when bins are emptied. 垃圾分类。"""

from __future__ import annotations

import json
import random
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Environment"

_DATA = Path(__file__).parent / "data"
_CAST = json.loads((_DATA / "cast.json").read_text(encoding="utf-8"))
_WASTE = json.loads((_DATA / "waste.json").read_text(encoding="utf-8"))

City = Literal["Shanghai", "Beijing", "Berlin", "San Francisco"]
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST_PIECES = 5


def initial_state(seed: int) -> dict[str, Any]:
    """One pickup of bulky waste that is booked, and the days on which pickups are fully booked."""
    draw = random.Random(f"waste_sorting:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    first, *full = [str(date.fromisoformat(now[:10]) + timedelta(days=days)) for days in draw.sample(range(2, 20), 4)]
    pickup = {"id": "pick_1", "city": draw.choice(list(_WASTE["cities"])), "date": first, "items": ["sofa"]}
    return {"now": now, "pickups": [pickup], "full_days": sorted(full), "next_id": 2}


def sort_waste(item: str, city: City) -> dict[str, Any]:
    """Tell which bin a piece of waste belongs in.

    Args:
        item: The piece, in English or Chinese, such as egg shells or 电池.
        city: City whose rules count.
    """
    rules = _rules(city)
    wanted = item.strip().casefold()
    if not wanted:
        raise ValueError("item must not be empty")
    found = [
        known
        for known in _WASTE["items"]
        if wanted in known["name"] or known["name"] in wanted or _alike(wanted, known)
    ]
    exact = [known for known in found if wanted in (known["name"], known["chinese_name"])]
    if not found:
        raise ValueError(f"{item!r} is not known; list_waste_items gives what is")
    bins = [
        {"item": known["name"], "chinese_name": known["chinese_name"], "bin": key, "bin_name": rules["bins"][key]}
        for known in exact or found
        for key in [rules["kinds"][known["kind"]]]
    ]
    return {"city": city, "results": bins}


def list_waste_bins(city: City) -> dict[str, Any]:
    """List the bins of a city with their local names and the weekdays on which they are emptied.

    Args:
        city: City whose bins are wanted.
    """
    rules = _rules(city)
    days = rules["collection_days"]
    return {
        "city": city,
        "bins": [{"bin": key, "name": name, "days": days[key]} for key, name in rules["bins"].items()],
    }


def list_waste_items(bin: str, city: City) -> dict[str, Any]:
    """List pieces of waste that belong in a bin.

    Args:
        bin: Key or local name of the bin, such as wet or 湿垃圾.
        city: City whose rules count.
    """
    rules = _rules(city)
    key = next((key for key, name in rules["bins"].items() if bin.strip() in (key, name)), None)
    if key is None:
        known = ", ".join(f"{key} ({name})" for key, name in rules["bins"].items())
        raise ValueError(f"{city} has no bin {bin!r}; it has {known}")
    items = [item for item in _WASTE["items"] if rules["kinds"][item["kind"]] == key]
    return {"bin": key, "items": [{"name": item["name"], "chinese_name": item["chinese_name"]} for item in items]}


def find_next_collection(bin: str, city: City, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tell the next day, from tomorrow on, on which a bin is emptied.

    Args:
        bin: Key or local name of the bin, such as wet or 湿垃圾.
        city: City whose calendar counts.
    """
    key = list_waste_items(bin, city)["bin"]
    days = _rules(city)["collection_days"][key]
    if not days:
        raise ValueError(f"{key} is not collected in {city}: it is brought away, or book_bulky_pickup orders a pickup")
    tomorrow = date.fromisoformat(state["now"][:10]) + timedelta(days=1)
    ahead = next(ahead for ahead in range(7) if _DAYS[(tomorrow.weekday() + ahead) % 7] in days)
    day = tomorrow + timedelta(days=ahead)
    return {"bin": key, "city": city, "date": str(day), "weekday": _DAYS[day.weekday()]}


def book_bulky_pickup(city: City, date: str, items: list[str], *, state: dict[str, Any]) -> dict[str, Any]:
    """Order a pickup of bulky waste at home.

    Args:
        city: City of the home.
        date: Day, as YYYY-MM-DD, after today and within sixty days.
        items: What is to be taken, 1 to 5 pieces, such as sofa.
    """
    _rules(city)
    first, last = (_later(state["now"][:10], days) for days in (1, 60))
    if not _is_day(date) or not first <= date <= last:
        raise ValueError(f"date must be a day from {first} to {last}, not {date!r}")
    if not 1 <= len(items) <= _MOST_PIECES or not all(item.strip() for item in items):
        raise ValueError(f"items must name 1 to {_MOST_PIECES} pieces")
    if date in state["full_days"]:
        raise ValueError(f"{date} is fully booked; choose another day, but not {', '.join(state['full_days'])}")
    for other in state["pickups"]:
        if (other["city"], other["date"]) == (city, date):
            raise ValueError(f"{other['id']} is on {date} in {city} already")
    pickup = {"id": f"pick_{state['next_id']}", "city": city, "date": date, "items": list(items)}
    state["next_id"] += 1
    state["pickups"].append(pickup)
    return pickup


def cancel_bulky_pickup(pickup_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Cancel a pickup of bulky waste.

    Args:
        pickup_id: Id of the pickup, such as pick_1.
    """
    for pickup in state["pickups"]:
        if pickup["id"] == pickup_id:
            state["pickups"].remove(pickup)
            return {"cancelled": pickup}
    known = ", ".join(pickup["id"] for pickup in state["pickups"]) or "none"
    raise ValueError(f"there is no pickup {pickup_id!r}; there are: {known}")


def _rules(city: str) -> dict[str, Any]:
    if city not in _WASTE["cities"]:
        raise ValueError(f"city must be one of {', '.join(_WASTE['cities'])}, not {city!r}")
    return dict(_WASTE["cities"][city])


def _alike(wanted: str, item: dict[str, Any]) -> bool:
    """Whether a Chinese name and the text hold each other."""
    name = item["chinese_name"]
    return wanted in name or name in wanted


def _is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _later(day: str, days: int) -> str:
    return str(date.fromisoformat(day) + timedelta(days=days))

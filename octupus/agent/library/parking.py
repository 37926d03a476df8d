"""Parking garages: prices, free places, and reservations for a car."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

CATEGORY = "Transportation"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))


def initial_state(seed: int) -> dict[str, Any]:
    """Three garages in each of five cities; prices are in cents of EUR an hour."""
    draw = random.Random(f"parking:{seed}")
    cities = [
        "Berlin",
        *(city["name"] for city in draw.sample([c for c in _CAST["cities"] if c["name"] != "Berlin"], 4)),
    ]
    garages: list[dict[str, Any]] = []
    for city in cities:
        for place in draw.sample(["Station", "Market", "Museum", "Opera", "Airport", "Harbour"], 3):
            garages.append(
                {
                    "id": f"gar_{len(garages) + 1}",
                    "name": f"{place} Garage",
                    "city": city,
                    "cents_per_hour": draw.randrange(100, 600, 10),
                    "places": draw.choice([1, 2, 40]),
                    "charging": draw.random() < 0.4,
                }
            )
    return {
        "now": _CAST["mornings"][seed % len(_CAST["mornings"])],
        "garages": garages,
        "reservations": [],
        "next_id": 1,
    }


def list_garages(city: str, with_charging: bool = False, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the parking garages of a city with their prices.

    Args:
        city: City, such as Berlin.
        with_charging: Whether only garages where electric cars can be charged are wanted.
    """
    found = [garage for garage in state["garages"] if garage["city"].casefold() == city.strip().casefold()]
    if not found:
        known = ", ".join(dict.fromkeys(garage["city"] for garage in state["garages"]))
        raise ValueError(f"no garages are known in {city!r}; the cities are {known}")
    return {"garages": [_shown(garage) for garage in found if garage["charging"] or not with_charging]}


def estimate_parking_fee(garage_id: str, minutes: int, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tell what parking costs; each hour that has begun is paid.

    Args:
        garage_id: Id of the garage, such as gar_2.
        minutes: How long, from 1 to 10080 minutes.
    """
    garage = _record(state["garages"], garage_id, "garage")
    if not 1 <= minutes <= 10080:
        raise ValueError(f"minutes must be from 1 to 10080, not {minutes}")
    return {"garage": garage["name"], "fee": _fee(garage, minutes) / 100, "currency": "EUR"}


def reserve_parking(garage_id: str, plate: str, start: str, end: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Reserve a place for a car.

    Args:
        garage_id: Id of the garage, such as gar_2.
        plate: The car's number plate, such as B-AB 123.
        start: When the car comes, as YYYY-MM-DDTHH:MM.
        end: When it leaves, as YYYY-MM-DDTHH:MM, within seven days.
    """
    garage = _record(state["garages"], garage_id, "garage")
    if not re.fullmatch(r"[0-9A-Z一-龥][0-9A-Z一-龥 -]{1,9}", plate):
        raise ValueError(f"plate must be 2 to 10 capital letters, digits, spaces and hyphens, not {plate!r}")
    first, last = _moment(start, "start"), _moment(end, "end")
    if first < datetime.fromisoformat(state["now"]):
        raise ValueError(f"start {start} is before now, {state['now']}")
    _check_stay(garage, plate, first, last, "", state)
    reservation = {
        "id": f"prk_{state['next_id']}",
        "garage_id": garage_id,
        "plate": plate,
        "start": first.isoformat(timespec="minutes"),
        "end": last.isoformat(timespec="minutes"),
    }
    state["next_id"] += 1
    state["reservations"].append(reservation)
    return _with_fee(reservation, garage)


def extend_parking(reservation_id: str, minutes: int, *, state: dict[str, Any]) -> dict[str, Any]:
    """Let a reservation end later.

    Args:
        reservation_id: Id of the reservation, such as prk_1.
        minutes: How much later, from 1 to 1440 minutes.
    """
    reservation = _record(state["reservations"], reservation_id, "reservation")
    if not 1 <= minutes <= 1440:
        raise ValueError(f"minutes must be from 1 to 1440, not {minutes}")
    garage = _record(state["garages"], reservation["garage_id"], "garage")
    first, last = (datetime.fromisoformat(reservation[key]) for key in ("start", "end"))
    last += timedelta(minutes=minutes)
    _check_stay(garage, reservation["plate"], first, last, reservation_id, state)
    reservation["end"] = last.isoformat(timespec="minutes")
    return _with_fee(reservation, garage)


def list_parking_reservations(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the user's reserved parking places with their fees."""
    garages = {garage["id"]: garage for garage in state["garages"]}
    return {"reservations": [_with_fee(record, garages[record["garage_id"]]) for record in state["reservations"]]}


def cancel_parking(reservation_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Cancel a reserved parking place.

    Args:
        reservation_id: Id of the reservation, such as prk_1.
    """
    reservation = _record(state["reservations"], reservation_id, "reservation")
    state["reservations"].remove(reservation)
    return {"cancelled": reservation}


def _record(records: list[dict[str, Any]], wanted: str, kind: str) -> dict[str, Any]:
    for record in records:
        if record["id"] == wanted:
            return record
    known = ", ".join(record["id"] for record in records) or "none"
    raise ValueError(f"there is no {kind} {wanted!r}; there are: {known}")


def _moment(text: str, parameter: str) -> datetime:
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:00)?", text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{parameter} must be a time such as 2026-03-14T09:30, not {text!r}")


def _check_stay(
    garage: dict[str, Any], plate: str, first: datetime, last: datetime, but: str, state: dict[str, Any]
) -> None:
    if not timedelta() < last - first <= timedelta(days=7):
        raise ValueError(f"a car stays for more than 0 minutes and at most 7 days; from {first} to {last} is not")
    start, end = first.isoformat(timespec="minutes"), last.isoformat(timespec="minutes")
    at_once = [
        other for other in state["reservations"] if other["id"] != but and start < other["end"] and other["start"] < end
    ]
    for other in at_once:
        if other["plate"] == plate:
            raise ValueError(
                f"{plate} is at {other['garage_id']} from {other['start']} to {other['end']} ({other['id']})"
            )
    if sum(other["garage_id"] == garage["id"] for other in at_once) >= garage["places"]:
        raise ValueError(f"{garage['name']} ({garage['id']}) has no place free from {start} to {end}")


def _fee(garage: dict[str, Any], minutes: int) -> int:
    return -(-minutes // 60) * int(garage["cents_per_hour"])


def _with_fee(reservation: dict[str, Any], garage: dict[str, Any]) -> dict[str, Any]:
    stay = datetime.fromisoformat(reservation["end"]) - datetime.fromisoformat(reservation["start"])
    fee = _fee(garage, int(stay.total_seconds()) // 60)
    return {**reservation, "garage": garage["name"], "fee": fee / 100, "currency": "EUR"}


def _shown(garage: dict[str, Any]) -> dict[str, Any]:
    shown = {key: garage[key] for key in ("id", "name", "city", "places", "charging")}
    return {**shown, "price_per_hour": garage["cents_per_hour"] / 100}

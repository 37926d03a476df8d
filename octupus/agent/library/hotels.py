"""Hotels: search, rooms that are free for a stay, booking and cancelling."""

from __future__ import annotations

import json
import random
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Travel"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

RoomType = Literal["single", "double", "family"]
_GUESTS = {"single": 1, "double": 2, "family": 4}


def initial_state(seed: int) -> dict[str, Any]:
    """Two hotels in each city with a few rooms, some booked by others; prices are in cents of EUR a night."""
    draw = random.Random(f"hotels:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    hotels: list[dict[str, Any]] = []
    for city in _CAST["cities"]:
        for name in draw.sample(["Central", "Riverside", "Park", "Station", "Old Town", "Garden", "Skyline"], 2):
            single = draw.randrange(50, 160) * 100
            hotels.append(
                {
                    "id": f"htl_{len(hotels) + 1}",
                    "name": f"{name} Hotel {city['name']}",
                    "city": city["name"],
                    "stars": draw.randrange(2, 6),
                    "breakfast": draw.random() < 0.5,
                    "rooms": [
                        {"type": kind, "count": draw.randrange(1, 4), "price_cents": single * factor // 10}
                        for kind, factor in (("single", 10), ("double", 14), ("family", 22))
                    ],
                }
            )
    taken = []
    for hotel in draw.sample(hotels, 12):
        arrive = date.fromisoformat(now[:10]) + timedelta(days=draw.randrange(1, 12))
        room = draw.choice(hotel["rooms"])
        taken.append(
            {
                "hotel_id": hotel["id"],
                "room_type": room["type"],
                "count": room["count"],
                "check_in": str(arrive),
                "check_out": str(arrive + timedelta(days=draw.randrange(1, 5))),
            }
        )
    return {"now": now, "hotels": hotels, "taken": taken, "bookings": [], "next_id": 1}


def search_hotels(
    city: str,
    check_in: str,
    check_out: str,
    guests: int = 1,
    max_price_per_night: float | None = None,
    with_breakfast: bool = False,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Search for hotels with a free room for a stay.

    Args:
        city: City, such as Paris.
        check_in: Day of arrival, as YYYY-MM-DD.
        check_out: Day of departure, as YYYY-MM-DD.
        guests: People in the room, from 1 to 4.
        max_price_per_night: Highest price of a night in EUR.
        with_breakfast: Whether only hotels with breakfast are wanted.
    """
    stay = _stay(check_in, check_out)
    if not 1 <= guests <= 4:
        raise ValueError(f"guests must be from 1 to 4, not {guests}")
    place = _city(city)
    found = []
    for hotel in state["hotels"]:
        if hotel["city"] != place or (with_breakfast and not hotel["breakfast"]):
            continue
        rooms = [
            {"type": room["type"], "price_per_night": room["price_cents"] / 100}
            for room in hotel["rooms"]
            if _GUESTS[room["type"]] >= guests
            and (max_price_per_night is None or room["price_cents"] <= max_price_per_night * 100)
            and _left(hotel["id"], room, stay, state) > 0
        ]
        if rooms:
            found.append({**{key: hotel[key] for key in ("id", "name", "stars", "breakfast")}, "free_rooms": rooms})
    return {"city": place, "hotels": found}


def book_hotel(
    hotel_id: str, room_type: RoomType, check_in: str, check_out: str, guest_name: str, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Book a room in a hotel.

    Args:
        hotel_id: Id of the hotel, such as htl_7.
        room_type: single for one guest, double for two, family for four.
        check_in: Day of arrival, as YYYY-MM-DD.
        check_out: Day of departure, as YYYY-MM-DD.
        guest_name: Name for the booking.
    """
    hotel = _hotel(hotel_id, state)
    room = next((room for room in hotel["rooms"] if room["type"] == room_type), None)
    if room is None:
        raise ValueError(f"room_type must be one of {', '.join(_GUESTS)}, not {room_type!r}")
    stay = _stay(check_in, check_out)
    if check_in < state["now"][:10]:
        raise ValueError(f"check_in {check_in} is before today, {state['now'][:10]}")
    if not guest_name.strip():
        raise ValueError("guest_name must not be empty")
    if _left(hotel_id, room, stay, state) < 1:
        raise ValueError(f"{hotel['name']} has no {room_type} room free from {check_in} to {check_out}")
    nights = (stay[1] - stay[0]).days
    booking = {
        "id": f"hbk_{state['next_id']}",
        "hotel_id": hotel_id,
        "room_type": room_type,
        "check_in": check_in,
        "check_out": check_out,
        "guest_name": guest_name,
        "price_cents": nights * room["price_cents"],
    }
    state["next_id"] += 1
    state["bookings"].append(booking)
    return {**_shown(booking), "hotel": hotel["name"], "city": hotel["city"], "nights": nights}


def list_hotel_bookings(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the hotel rooms that the user booked."""
    return {"bookings": [_shown(booking) for booking in state["bookings"]]}


def cancel_hotel_booking(booking_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Cancel a booked hotel room.

    Args:
        booking_id: Id of the booking, such as hbk_1.
    """
    for booking in state["bookings"]:
        if booking["id"] == booking_id:
            state["bookings"].remove(booking)
            return {"cancelled": booking_id, "refund": booking["price_cents"] / 100}
    known = ", ".join(booking["id"] for booking in state["bookings"]) or "none"
    raise ValueError(f"there is no hotel booking {booking_id!r}; there are: {known}")


def _hotel(hotel_id: str, state: dict[str, Any]) -> dict[str, Any]:
    for hotel in state["hotels"]:
        if hotel["id"] == hotel_id:
            return dict(hotel)
    raise ValueError(f"there is no hotel {hotel_id!r}; search_hotels gives the ids of hotels")


def _city(name: str) -> str:
    for city in _CAST["cities"]:
        if name.strip().casefold() in (city["name"].casefold(), city["chinese_name"]):
            return str(city["name"])
    raise ValueError(
        f"no hotels are known in {name!r}; the cities are {', '.join(city['name'] for city in _CAST['cities'])}"
    )


def _stay(check_in: str, check_out: str) -> tuple[date, date]:
    first, last = _day(check_in, "check_in"), _day(check_out, "check_out")
    if not 1 <= (last - first).days <= 30:
        raise ValueError(f"a stay is of 1 to 30 nights; from {check_in} to {check_out} are {(last - first).days}")
    return first, last


def _day(text: str, parameter: str) -> date:
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{parameter} must be a day such as 2026-03-14, not {text!r}")


def _left(hotel_id: str, room: dict[str, Any], stay: tuple[date, date], state: dict[str, Any]) -> int:
    """Rooms of a type that are free in the night of the stay in which the fewest are."""
    others = [
        record
        for record in state["taken"] + state["bookings"]
        if record["hotel_id"] == hotel_id and record["room_type"] == room["type"]
    ]
    nights = [str(stay[0] + timedelta(days=number)) for number in range((stay[1] - stay[0]).days)]
    busiest = max(
        sum(record.get("count", 1) for record in others if record["check_in"] <= night < record["check_out"])
        for night in nights
    )
    return int(room["count"]) - int(busiest)


def _shown(booking: dict[str, Any]) -> dict[str, Any]:
    """A booking with its price as an amount with decimals."""
    shown = {key: value for key, value in booking.items() if key != "price_cents"}
    return {**shown, "price": booking["price_cents"] / 100, "currency": "EUR"}

"""Flights between cities: search, booking with passengers, cancelling."""

from __future__ import annotations

import json
import random
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypedDict

CATEGORY = "Travel"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))


class Passenger(TypedDict):
    """Who flies."""

    name: str
    date_of_birth: str


def initial_state(seed: int) -> dict[str, Any]:
    """Flights there and back around a ring of all cities on three days; prices are in cents of EUR."""
    draw = random.Random(f"flights:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    ring = [city["name"] for city in draw.sample(_CAST["cities"], len(_CAST["cities"]))]
    # Berlin is the user's city: from there one reaches four others.
    pairs = list(zip(ring, ring[1:] + ring[:1], strict=True))
    linked = {city for pair in pairs if "Berlin" in pair for city in pair}
    pairs += [("Berlin", city) for city in draw.sample([city for city in ring if city not in linked], 2)]
    flights: list[dict[str, Any]] = []
    for origin, destination in pairs + [(there, here) for here, there in pairs]:
        for ahead in sorted(draw.sample(range(2, 15), 3)):
            depart = datetime.fromisoformat(f"{now[:10]}T00:00") + timedelta(
                days=ahead, minutes=draw.randrange(72, 264) * 5
            )
            flights.append(
                {
                    "id": f"{draw.choice(['NX', 'OC', 'SB'])}{101 + len(flights)}",
                    "origin": origin,
                    "destination": destination,
                    "departs": depart.isoformat(timespec="minutes"),
                    "minutes": draw.randrange(14, 150) * 5,
                    "price_cents": draw.randrange(60, 900) * 100,
                    "seats_left": draw.choice([0, 1, 3, 9, 20]),
                }
            )
    return {"now": now, "flights": flights, "bookings": [], "next_id": 1}


def search_flights(
    origin: str, destination: str, date: str, max_price: float | None = None, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Search for direct flights on a day, cheapest first.

    Args:
        origin: City or airport code to leave from, such as Berlin or BER.
        destination: City or airport code to go to.
        date: Day of departure, as YYYY-MM-DD.
        max_price: Highest price in EUR for one passenger.
    """
    start, goal = _city(origin), _city(destination)
    day = _day(date)
    on_route = [flight for flight in state["flights"] if (flight["origin"], flight["destination"]) == (start, goal)]
    if not on_route:
        reached = sorted({flight["destination"] for flight in state["flights"] if flight["origin"] == start})
        raise ValueError(f"no direct flights from {start} to {goal}; from {start} one can fly to {', '.join(reached)}")
    found = [
        flight
        for flight in on_route
        if flight["departs"].startswith(day) and (max_price is None or flight["price_cents"] <= max_price * 100)
    ]
    shown = [_shown(flight) for flight in sorted(found, key=lambda flight: int(flight["price_cents"]))]
    return {"flights": shown, "days_with_flights": sorted({flight["departs"][:10] for flight in on_route})}


def get_flight(flight_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tell route, times, price and free seats of a flight.

    Args:
        flight_id: Number of the flight, such as NX101.
    """
    return _shown(_flight(flight_id, state))


def book_flight(
    flight_id: str,
    passengers: list[Passenger],
    seat_class: Literal["economy", "business"] = "economy",
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Book seats on a flight.

    Args:
        flight_id: Number of the flight, such as NX101.
        passengers: Who flies, 1 to 9 people: each with name and date_of_birth (YYYY-MM-DD).
        seat_class: Where to sit; business costs three times the price.
    """
    flight = _flight(flight_id, state)
    if seat_class not in ("economy", "business"):
        raise ValueError(f"seat_class must be economy or business, not {seat_class!r}")
    if not 1 <= len(passengers) <= 9:
        raise ValueError(f"a booking is for 1 to 9 passengers, not {len(passengers)}")
    for passenger in passengers:
        if not passenger["name"].strip():
            raise ValueError("each passenger must have a name")
        if _day(passenger["date_of_birth"], "date_of_birth", "(19|20)") > state["now"][:10]:
            raise ValueError(f"date_of_birth {passenger['date_of_birth']} is after today, {state['now'][:10]}")
    if len(passengers) > flight["seats_left"]:
        raise ValueError(f"{flight_id} has {flight['seats_left']} free seats, and {len(passengers)} are asked for")
    price = flight["price_cents"] * len(passengers) * (3 if seat_class == "business" else 1)
    flight["seats_left"] -= len(passengers)
    booking = {
        "id": f"fbk_{state['next_id']}",
        "flight_id": flight_id,
        "passengers": [dict(passenger) for passenger in passengers],
        "seat_class": seat_class,
        "price_cents": price,
    }
    state["next_id"] += 1
    state["bookings"].append(booking)
    return {**_shown(booking), "flight": _shown(flight)}


def list_flight_bookings(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the flights that the user booked."""
    return {"bookings": [_shown(booking) for booking in state["bookings"]]}


def cancel_flight_booking(booking_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Cancel a booked flight and give its seats back.

    Args:
        booking_id: Id of the booking, such as fbk_1.
    """
    for booking in state["bookings"]:
        if booking["id"] == booking_id:
            state["bookings"].remove(booking)
            _flight(booking["flight_id"], state)["seats_left"] += len(booking["passengers"])
            return {"cancelled": booking_id, "refund": booking["price_cents"] / 100}
    known = ", ".join(booking["id"] for booking in state["bookings"]) or "none"
    raise ValueError(f"there is no flight booking {booking_id!r}; there are: {known}")


def _city(name: str) -> str:
    wanted = name.strip().casefold()
    for city in _CAST["cities"]:
        if wanted in (city["name"].casefold(), city["chinese_name"], city["airport"].casefold()):
            return str(city["name"])
    raise ValueError(
        f"no airport is known for {name!r}; the cities are {', '.join(city['name'] for city in _CAST['cities'])}"
    )


def _flight(flight_id: str, state: dict[str, Any]) -> dict[str, Any]:
    flights: list[dict[str, Any]] = state["flights"]
    for flight in flights:
        if flight["id"] == flight_id:
            return flight
    raise ValueError(f"there is no flight {flight_id!r}; search_flights gives the numbers of flights")


def _day(text: str, parameter: str = "date", century: str = "20") -> str:
    try:
        if re.fullmatch(f"{century}[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}", text):
            return str(date.fromisoformat(text))
    except ValueError:
        pass
    raise ValueError(f"{parameter} must be a day such as 2026-03-14, not {text!r}")


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its price as an amount with decimals."""
    shown = {key: value for key, value in record.items() if key != "price_cents"}
    return {**shown, "price": record["price_cents"] / 100, "currency": "EUR"}

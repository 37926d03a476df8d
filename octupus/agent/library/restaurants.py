"""Restaurants: search, free tables and reservations. 餐厅。"""

from __future__ import annotations

import json
import random
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

CATEGORY = "Food"

_DATA = Path(__file__).parent / "data"
_CAST = json.loads((_DATA / "cast.json").read_text(encoding="utf-8"))
_RESTAURANTS = json.loads((_DATA / "restaurants.json").read_text(encoding="utf-8"))
_SITTINGS = ("12:00", "14:00", "18:00", "20:00")


def initial_state(seed: int) -> dict[str, Any]:
    """All restaurants with a rating and a few tables, some of them taken by others in the next six days."""
    draw = random.Random(f"restaurants:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    today = date.fromisoformat(now[:10])
    restaurants = [
        {
            **restaurant,
            "rating": draw.randrange(30, 51) / 10,
            "tables": draw.randrange(1, 4),
            "seats_per_table": draw.choice([4, 6]),
        }
        for restaurant in _RESTAURANTS
    ]
    taken = [
        {
            "restaurant_id": restaurant["id"],
            "date": str(today + timedelta(days=draw.randrange(7))),
            "time": draw.choice(_SITTINGS),
            "tables": restaurant["tables"],
        }
        for restaurant in restaurants
        for _ in range(2)
    ]
    return {"now": now, "restaurants": restaurants, "taken": taken, "reservations": [], "next_id": 1}


def search_restaurants(
    city: str,
    cuisine: str | None = None,
    max_price_level: int | None = None,
    vegetarian: bool = False,
    min_rating: float | None = None,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Search for restaurants in a city, best rating first.

    Args:
        city: City, such as Berlin or 北京.
        cuisine: Kind of food, such as Italian.
        max_price_level: Highest price level: 1 is cheap, 3 expensive.
        vegetarian: Whether only restaurants with vegetarian dishes are wanted.
        min_rating: Lowest rating, from 0 to 5.
    """
    place = _city(city)
    cuisines = sorted({restaurant["cuisine"] for restaurant in state["restaurants"]})
    if cuisine is not None and cuisine.strip().casefold() not in [name.casefold() for name in cuisines]:
        raise ValueError(f"no cuisine {cuisine!r} is known; the cuisines are {', '.join(cuisines)}")
    found = [
        restaurant
        for restaurant in state["restaurants"]
        if restaurant["city"] == place
        and (cuisine is None or restaurant["cuisine"].casefold() == cuisine.strip().casefold())
        and (max_price_level is None or restaurant["price_level"] <= max_price_level)
        and (restaurant["vegetarian"] or not vegetarian)
        and (min_rating is None or restaurant["rating"] >= min_rating)
    ]
    return {"restaurants": sorted(found, key=lambda restaurant: -float(restaurant["rating"]))}


def list_free_tables(restaurant_id: str, date: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the times of a day at which a restaurant has tables left.

    Args:
        restaurant_id: Id of the restaurant, such as rst_5.
        date: Day, as YYYY-MM-DD.
    """
    restaurant = _restaurant(restaurant_id, state)
    day = _day(date)
    left = {time: _left(restaurant, day, time, state) for time in _SITTINGS}
    free = [{"time": time, "tables": tables} for time, tables in left.items() if tables > 0]
    return {"restaurant": restaurant["name"], "date": day, "free": free}


def book_table(
    restaurant_id: str, date: str, time: str, people: int, name: str, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Reserve a table in a restaurant.

    Args:
        restaurant_id: Id of the restaurant, such as rst_5.
        date: Day, as YYYY-MM-DD.
        time: One of 12:00, 14:00, 18:00 and 20:00.
        people: How many come; a table has 4 or 6 seats.
        name: Name for the reservation.
    """
    restaurant = _restaurant(restaurant_id, state)
    day = _day(date)
    if day < state["now"][:10]:
        raise ValueError(f"date {day} is before today, {state['now'][:10]}")
    if time not in _SITTINGS:
        raise ValueError(f"time must be one of {', '.join(_SITTINGS)}, not {time!r}")
    if not 1 <= people <= restaurant["seats_per_table"]:
        raise ValueError(
            f"a table of {restaurant['name']} is for 1 to {restaurant['seats_per_table']} people, not {people}"
        )
    if not name.strip():
        raise ValueError("name must not be empty")
    for other in state["reservations"]:
        if (other["date"], other["time"]) == (day, time):
            raise ValueError(f"{other['id']} is at the same time, {day} {time}; cancel it first")
    if _left(restaurant, day, time, state) < 1:
        raise ValueError(f"{restaurant['name']} is full on {day} at {time}; list_free_tables shows other times")
    reservation = {
        "id": f"tbl_{state['next_id']}",
        "restaurant_id": restaurant_id,
        "date": day,
        "time": time,
        "people": people,
        "name": name,
    }
    state["next_id"] += 1
    state["reservations"].append(reservation)
    return {**reservation, "restaurant": restaurant["name"]}


def list_table_reservations(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the tables that the user reserved."""
    return {"reservations": state["reservations"]}


def cancel_table(reservation_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Cancel a reserved table.

    Args:
        reservation_id: Id of the reservation, such as tbl_1.
    """
    for reservation in state["reservations"]:
        if reservation["id"] == reservation_id:
            state["reservations"].remove(reservation)
            return {"cancelled": reservation}
    known = ", ".join(reservation["id"] for reservation in state["reservations"]) or "none"
    raise ValueError(f"there is no reservation {reservation_id!r}; there are: {known}")


def _restaurant(restaurant_id: str, state: dict[str, Any]) -> dict[str, Any]:
    for restaurant in state["restaurants"]:
        if restaurant["id"] == restaurant_id:
            return dict(restaurant)
    raise ValueError(f"there is no restaurant {restaurant_id!r}; search_restaurants gives the ids of restaurants")


def _city(name: str) -> str:
    for city in _CAST["cities"]:
        if name.strip().casefold() in (city["name"].casefold(), city["chinese_name"]):
            return str(city["name"])
    raise ValueError(
        f"no restaurants are known in {name!r}; the cities are {', '.join(city['name'] for city in _CAST['cities'])}"
    )


def _day(text: str) -> str:
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
            return str(date.fromisoformat(text))
    except ValueError:
        pass
    raise ValueError(f"date must be a day such as 2026-03-14, not {text!r}")


def _left(restaurant: dict[str, Any], day: str, time: str, state: dict[str, Any]) -> int:
    """Tables that are free at a time of a day."""
    gone = sum(
        record.get("tables", 1)
        for record in state["taken"] + state["reservations"]
        if (record["restaurant_id"], record["date"], record["time"]) == (restaurant["id"], day, time)
    )
    return max(0, int(restaurant["tables"]) - int(gone))

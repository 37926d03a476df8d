"""The weather of the next days in the cities of the cast."""

from __future__ import annotations

import json
import math
import random
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Weather"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))
_DAYS = 7


def initial_state(seed: int) -> dict[str, Any]:
    """A forecast of seven days, from today on, for each city."""
    draw = random.Random(f"weather:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    today = date.fromisoformat(now[:10])
    # The year's course of temperature, with its ends in January and July.
    summer = (1 - math.cos(2 * math.pi * (today.timetuple().tm_yday - 15) / 365)) / 2
    forecasts = []
    for city in _CAST["cities"]:
        usual = city["january_celsius"] + summer * (city["july_celsius"] - city["january_celsius"])
        for ahead in range(_DAYS):
            high = round(usual + draw.uniform(0, 8))
            low = high - draw.randrange(4, 11)
            sky = draw.choice(["sunny", "sunny", "cloudy", "cloudy", "rain", "rain", "windy", "fog"])
            if sky == "rain" and high <= 1:
                sky = "snow"
            forecasts.append(
                {
                    "city": city["name"],
                    "date": str(today + timedelta(days=ahead)),
                    "sky": sky,
                    "high_celsius": high,
                    "low_celsius": low,
                    "rain_percent": draw.randrange(60, 101, 5) if sky in ("rain", "snow") else draw.randrange(0, 30, 5),
                    "wind_kmh": draw.randrange(40, 80) if sky == "windy" else draw.randrange(2, 30),
                }
            )
    return {"now": now, "forecasts": forecasts}


def get_weather(
    city: str, date: str | None = None, unit: Literal["celsius", "fahrenheit"] = "celsius", *, state: dict[str, Any]
) -> dict[str, Any]:
    """Tell the weather in a city on a day.

    Args:
        city: City, such as Tokyo or 上海.
        date: Day, as YYYY-MM-DD, today or one of the six days after it; without it, today.
        unit: Unit of temperatures.
    """
    return _in_unit(_forecast(_city(city), date or state["now"][:10], state), unit)


def get_forecast(
    city: str, days: int = 3, unit: Literal["celsius", "fahrenheit"] = "celsius", *, state: dict[str, Any]
) -> dict[str, Any]:
    """Tell the weather in a city for the next days, from today on.

    Args:
        city: City, such as Tokyo or 上海.
        days: How many days, from 1 to 7.
        unit: Unit of temperatures.
    """
    if not 1 <= days <= _DAYS:
        raise ValueError(f"days must be from 1 to {_DAYS}, not {days}")
    place = _city(city)
    found = [record for record in state["forecasts"] if record["city"] == place][:days]
    return {"city": place, "days": [_in_unit(record, unit) for record in found]}


def find_best_day(
    city: str, wanted: Literal["dry", "warm", "cool", "calm"] = "dry", *, state: dict[str, Any]
) -> dict[str, Any]:
    """Find the day of the next seven that is best for a plan outdoors.

    Args:
        city: City, such as Tokyo or 上海.
        wanted: dry for the least rain, warm for the highest temperature, cool for the lowest, calm for the least wind.
    """
    place = _city(city)
    found = [record for record in state["forecasts"] if record["city"] == place]
    keys = {
        "dry": ("rain_percent", 1),
        "warm": ("high_celsius", -1),
        "cool": ("high_celsius", 1),
        "calm": ("wind_kmh", 1),
    }
    if wanted not in keys:
        raise ValueError(f"wanted must be one of {', '.join(keys)}, not {wanted!r}")
    key, sign = keys[wanted]
    return dict(min(found, key=lambda record: (sign * int(record[key]), str(record["date"]))))


def compare_weather(cities: list[str], date: str | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tell the weather of several cities on the same day, warmest first.

    Args:
        cities: From 2 to 10 cities.
        date: Day, as YYYY-MM-DD, today or one of the six days after it; without it, today.
    """
    if not 2 <= len(cities) <= 10:
        raise ValueError(f"cities must name 2 to 10 cities, not {len(cities)}")
    places = dict.fromkeys(map(_city, cities))
    found = [_forecast(place, date or state["now"][:10], state) for place in places]
    return {"cities": sorted(found, key=lambda record: -int(record["high_celsius"]))}


def _city(name: str) -> str:
    for city in _CAST["cities"]:
        if name.strip().casefold() in (city["name"].casefold(), city["chinese_name"]):
            return str(city["name"])
    raise ValueError(
        f"no weather is known of {name!r}; the cities are {', '.join(city['name'] for city in _CAST['cities'])}"
    )


def _forecast(city: str, day: str, state: dict[str, Any]) -> dict[str, Any]:
    if not re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", day):
        raise ValueError(f"date must be a day such as 2026-03-14, not {day!r}")
    records = [record for record in state["forecasts"] if record["city"] == city]
    for record in records:
        if record["date"] == day:
            return dict(record)
    raise ValueError(f"the weather is known from {records[0]['date']} to {records[-1]['date']}, not for {day}")


def _in_unit(record: dict[str, Any], unit: str) -> dict[str, Any]:
    if unit == "celsius":
        return record
    if unit != "fahrenheit":
        raise ValueError(f"unit must be celsius or fahrenheit, not {unit!r}")
    degrees = {f"{end}_fahrenheit": round(record[f"{end}_celsius"] * 9 / 5 + 32) for end in ("high", "low")}
    return {**{key: value for key, value in record.items() if not key.endswith("_celsius")}, **degrees}

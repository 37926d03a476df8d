"""The people, cities and other facts that the shipped tools have in common, as a user names them in each language."""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

from octupus.agent.generate.scenario import Draw
from octupus.agent.library.catalogue import path_of


class City(NamedTuple):
    """A city; `name` is what the user calls it, `english` what tools call it."""

    name: str
    english: str
    currency: str
    country: str


def cities(draw: Draw) -> list[City]:
    """All cities, by their names in the language of the conversation."""
    return [
        City(named(draw, city), city["name"], city["currency"], city["country"]) for city in facts("cast")["cities"]
    ]


def city_of(draw: Draw, english: str) -> City:
    """A city by the name that tools call it. Raises StopIteration."""
    return next(city for city in cities(draw) if city.english == english)


def day_after(state: dict[str, Any], days: int) -> str:
    """The day so many days after a state's now."""
    return str(date.fromisoformat(state["now"][:10]) + timedelta(days=days))


def people(draw: Draw) -> list[dict[str, Any]]:
    """All people; `called` is what the user calls them."""
    return [{**person, "called": named(draw, person)} for person in facts("cast")["people"]]


def named(draw: Draw, record: dict[str, Any]) -> str:
    """A record's name in the language of the conversation, where it has one."""
    chinese = record.get("chinese_name") if draw.language == "zh" else None
    return str(chinese or record["name"])


@cache
def facts(name: str) -> Any:
    """A file of the library's bundled data; to be read only."""
    return json.loads((path_of("bank").parent / "data" / f"{name}.json").read_text(encoding="utf-8"))

"""Cartoons, Chinese and others, and a list of those to watch. 动画片。"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Movies"

_CARTOONS = json.loads((Path(__file__).parent / "data" / "cartoons.json").read_text(encoding="utf-8"))


def initial_state(seed: int) -> dict[str, Any]:
    """A list of three cartoons to watch, one of which was watched."""
    draw = random.Random(f"cartoons:{seed}")
    chosen = draw.sample(_CARTOONS, 3)
    entries = [{"cartoon_id": cartoon["id"], "watched": number == 0} for number, cartoon in enumerate(chosen)]
    return {"watchlist": entries}


def find_cartoons(
    title: str = "",
    country: str | None = None,
    form: Literal["film", "series"] | None = None,
    from_year: int | None = None,
    to_year: int | None = None,
) -> dict[str, Any]:
    """Find cartoons by title, country, form and years; conditions that are left out do not matter.

    Args:
        title: Part of the title, in its own language or in English, such as 葫芦 or Calabash.
        country: Country it was made in, such as China or Japan.
        form: Whether it is a film or a series.
        from_year: First year it may have come out in.
        to_year: Last year it may have come out in.
    """
    countries = sorted({cartoon["country"] for cartoon in _CARTOONS})
    if country is not None and country.casefold() not in [name.casefold() for name in countries]:
        raise ValueError(f"there are no cartoons from {country!r}; the countries are {', '.join(countries)}")
    wanted = title.strip().casefold()
    found = [
        {key: cartoon[key] for key in ("id", "title", "english_title", "year")}
        for cartoon in _CARTOONS
        if (wanted in cartoon["title"].casefold() or wanted in cartoon["english_title"].casefold())
        and (country is None or cartoon["country"].casefold() == country.casefold())
        and form in (None, cartoon["form"])
        and (from_year is None or cartoon["year"] >= from_year)
        and (to_year is None or cartoon["year"] <= to_year)
    ]
    return {"cartoons": found}


def get_cartoon(cartoon_id: str) -> dict[str, Any]:
    """Tell all about a cartoon: year, country, form, director and characters.

    Args:
        cartoon_id: Id of the cartoon, such as cartoon_11.
    """
    return _cartoon(cartoon_id)


def find_cartoons_with_character(character: str) -> dict[str, Any]:
    """Find the cartoons in which a character appears.

    Args:
        character: Name of the character or a part of it, such as 孙悟空 or Totoro.
    """
    wanted = character.strip().casefold()
    if not wanted:
        raise ValueError("character must not be empty")
    found = [
        {"id": cartoon["id"], "title": cartoon["title"], "character": name}
        for cartoon in _CARTOONS
        for name in cartoon["characters"]
        if wanted in name.casefold()
    ]
    return {"cartoons": found}


def add_to_watchlist(cartoon_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Put a cartoon on the list of those to watch.

    Args:
        cartoon_id: Id of the cartoon, such as cartoon_11.
    """
    cartoon = _cartoon(cartoon_id)
    if any(entry["cartoon_id"] == cartoon_id for entry in state["watchlist"]):
        raise ValueError(f"{cartoon_id} ({cartoon['title']}) is on the list already")
    state["watchlist"].append({"cartoon_id": cartoon_id, "watched": False})
    return show_watchlist(state=state)


def mark_cartoon_watched(cartoon_id: str, watched: bool = True, *, state: dict[str, Any]) -> dict[str, Any]:
    """Note that a cartoon on the list was watched, or that it was not.

    Args:
        cartoon_id: Id of a cartoon on the list, such as cartoon_11.
        watched: Whether it was watched.
    """
    _cartoon(cartoon_id)
    for entry in state["watchlist"]:
        if entry["cartoon_id"] == cartoon_id:
            entry["watched"] = watched
            return show_watchlist(state=state)
    listed = ", ".join(entry["cartoon_id"] for entry in state["watchlist"]) or "none"
    raise ValueError(f"{cartoon_id} is not on the list; on it are: {listed}")


def show_watchlist(*, state: dict[str, Any]) -> dict[str, Any]:
    """Show the list of cartoons to watch."""
    return {"watchlist": [{**entry, "title": _cartoon(entry["cartoon_id"])["title"]} for entry in state["watchlist"]]}


def _cartoon(cartoon_id: str) -> dict[str, Any]:
    for cartoon in _CARTOONS:
        if cartoon["id"] == cartoon_id:
            return dict(cartoon)
    raise ValueError(f"there is no cartoon {cartoon_id!r}; ids go from cartoon_1 to cartoon_{len(_CARTOONS)}")

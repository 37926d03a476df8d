"""Songs, Chinese and others, and the user's playlists. 歌曲。"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

CATEGORY = "Music"

_SONGS = json.loads((Path(__file__).parent / "data" / "songs.json").read_text(encoding="utf-8"))


def initial_state(seed: int) -> dict[str, Any]:
    """Two playlists of the user."""
    draw = random.Random(f"songs:{seed}")
    playlists = [
        {
            "id": f"list_{number}",
            "name": name,
            "song_ids": [song["id"] for song in draw.sample(_SONGS, draw.randrange(2, 5))],
        }
        for number, name in enumerate(draw.sample(["Morning run", "Quiet evening", "Road trip", "怀旧金曲"], 2), 1)
    ]
    return {"playlists": playlists, "next_id": 3}


def find_songs(
    title: str = "",
    artist: str = "",
    language: str | None = None,
    genre: str | None = None,
    from_year: int | None = None,
    to_year: int | None = None,
) -> dict[str, Any]:
    """Find songs by title, artist, language, genre and years; conditions that are left out do not matter.

    Args:
        title: Part of the title, such as 月亮 or Yesterday.
        artist: Part of the artist's name, such as 邓丽君 or ABBA.
        language: Language it is sung in, such as Chinese.
        genre: Kind of music, such as rock.
        from_year: First year it may have come out in.
        to_year: Last year it may have come out in.
    """
    for key, value in (("language", language), ("genre", genre)):
        known = sorted({song[key] for song in _SONGS})
        if value is not None and value.strip().casefold() not in [name.casefold() for name in known]:
            raise ValueError(f"no songs have the {key} {value!r}; there are: {', '.join(known)}")
    found = [
        song
        for song in _SONGS
        if title.strip().casefold() in song["title"].casefold()
        and artist.strip().casefold() in song["artist"].casefold()
        and (language is None or song["language"].casefold() == language.strip().casefold())
        and (genre is None or song["genre"] == genre.strip().casefold())
        and (from_year is None or song["year"] >= from_year)
        and (to_year is None or song["year"] <= to_year)
    ]
    return {"songs": found}


def list_artists(language: str | None = None) -> dict[str, Any]:
    """List the artists and how many of their songs there are.

    Args:
        language: Language they sing in, such as Chinese; without it, all.
    """
    songs = find_songs(language=language)["songs"]
    artists = dict.fromkeys(song["artist"] for song in songs)
    return {"artists": [{"artist": name, "songs": sum(s["artist"] == name for s in songs)} for name in artists]}


def list_playlists(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the user's playlists with the songs in them."""
    return {"playlists": [_shown(playlist) for playlist in state["playlists"]]}


def create_playlist(name: str, song_ids: list[str] | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Make a playlist.

    Args:
        name: Its name, which no other playlist has.
        song_ids: Ids of the songs in it, such as song_1.
    """
    if not name.strip():
        raise ValueError("name must not be empty")
    for other in state["playlists"]:
        if other["name"].casefold() == name.strip().casefold():
            raise ValueError(f"{other['id']} is named {other['name']!r} already; choose another name")
    chosen = list(dict.fromkeys(song_ids or []))
    for song_id in chosen:
        _song(song_id)
    playlist = {"id": f"list_{state['next_id']}", "name": name.strip(), "song_ids": chosen}
    state["next_id"] += 1
    state["playlists"].append(playlist)
    return _shown(playlist)


def add_song_to_playlist(playlist_id: str, song_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Put a song at the end of a playlist.

    Args:
        playlist_id: Id of the playlist, such as list_1.
        song_id: Id of the song, such as song_1.
    """
    playlist = _playlist(playlist_id, state)
    song = _song(song_id)
    if song_id in playlist["song_ids"]:
        raise ValueError(f"{song['title']} is in {playlist['name']} already")
    playlist["song_ids"].append(song_id)
    return _shown(playlist)


def remove_song_from_playlist(playlist_id: str, song_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Take a song out of a playlist.

    Args:
        playlist_id: Id of the playlist, such as list_1.
        song_id: Id of a song in it, such as song_1.
    """
    playlist = _playlist(playlist_id, state)
    if song_id not in playlist["song_ids"]:
        raise ValueError(
            f"{song_id!r} is not in {playlist['name']}; in it are: {', '.join(playlist['song_ids']) or 'none'}"
        )
    playlist["song_ids"].remove(song_id)
    return _shown(playlist)


def _song(song_id: str) -> dict[str, Any]:
    for song in _SONGS:
        if song["id"] == song_id:
            return dict(song)
    raise ValueError(f"there is no song {song_id!r}; ids go from song_1 to song_{len(_SONGS)}")


def _playlist(playlist_id: str, state: dict[str, Any]) -> dict[str, Any]:
    playlists: list[dict[str, Any]] = state["playlists"]
    for playlist in playlists:
        if playlist["id"] == playlist_id:
            return playlist
    known = ", ".join(f"{playlist['id']} ({playlist['name']})" for playlist in playlists)
    raise ValueError(f"there is no playlist {playlist_id!r}; there are: {known}")


def _shown(playlist: dict[str, Any]) -> dict[str, Any]:
    songs = [{key: song[key] for key in ("id", "title", "artist")} for song in map(_song, playlist["song_ids"])]
    return {"id": playlist["id"], "name": playlist["name"], "songs": songs}

"""What people want of recipes, music and the library."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call, refused
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import facts
from octupus.agent.generate.wording import each, wording


@scenario("multi_step", "recipes", en="look up recipes", zh="查询菜谱")
def recipe_for_guests(draw: Draw) -> Goal:
    recipe = draw.one(facts("recipes"))
    name = recipe["english_name"] if draw.language == "en" else recipe["name"]
    key = "english_name" if draw.language == "en" else "name"
    servings = draw.number(2, 10)
    found = call("find_recipes", name=name)
    given = call("get_recipe", recipe_id=found["recipes"].where(**{key: name})["id"], servings=servings)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "What do I need for {name} for {servings} people?",
                        "give me the recipe of {name} for {servings} people",
                    ),
                    ("{servings} 个人吃的{name}需要哪些食材？", "查一下{name}的菜谱，{servings} 人份"),
                ),
                values={"name": name, "servings": servings},
                steps=[[found], [given]],
                told=wording(
                    ("For {servings} people you need {ingredients}. It takes {minutes} minutes.",),
                    ("{servings} 人份需要：{ingredients}，用时 {minutes} 分钟。",),
                ),
                results={
                    "ingredients": each(given["ingredients"], "{amount} {unit} {name}"),
                    "minutes": given["minutes"],
                },
                answers=[given["ingredients"][0]["amount"], given["minutes"]],
            )
        ]
    )


@scenario("multi_step", "songs", en="change your playlists", zh="管理歌单")
def song_into_a_playlist(draw: Draw) -> Goal:
    state = draw.states["songs"]
    playlist = draw.one(state["playlists"])
    song = draw.one([each for each in facts("songs") if each["id"] not in playlist["song_ids"]])
    found, lists = call("find_songs", title=song["title"]), call("list_playlists")
    added = call(
        "add_song_to_playlist",
        playlist_id=lists["playlists"].where(name=playlist["name"])["id"],
        song_id=found["songs"].where(title=song["title"])["id"],
    )
    place = state["playlists"].index(playlist)
    return Goal(
        [
            Request(
                asked=wording(
                    ('put "{title}" into my playlist {playlist}', 'add the song "{title}" to the playlist {playlist}'),
                    ("把《{title}》加到歌单 {playlist}", "在歌单“{playlist}”里添加歌曲《{title}》"),
                ),
                values={"title": song["title"], "playlist": playlist["name"]},
                steps=[[found, lists], [added]],
                told=wording(
                    ('"{title}" by {artist} is in {playlist} now.',),
                    ("已把{artist}的《{title}》加入歌单 {playlist}。",),
                ),
                results={"artist": found["songs"].where(title=song["title"])["artist"]},
            )
        ],
        {f"songs/playlists/{place}/song_ids/{len(playlist['song_ids'])}": song["id"]},
    )


@scenario("single", "songs", en="look up songs", zh="查询歌曲")
def songs_of_an_artist(draw: Draw) -> Goal:
    song = draw.one(facts("songs"))
    found = call("find_songs", artist=song["artist"])
    return Goal(
        [
            Request(
                asked=wording(
                    ("find songs by {artist}", "Which songs by {artist} are there?"),
                    ("找一下{artist}的歌", "有哪些{artist}的歌曲？"),
                ),
                values={"artist": song["artist"]},
                steps=[[found]],
                told=wording(("By {artist} there is: {songs}.",), ("{artist}的歌曲有：{songs}。",)),
                results={"songs": each(found["songs"], "{title} ({year})", "《{title}》（{year}）")},
                answers=(song["title"],),
            )
        ]
    )


@scenario("multi_step", "library_loans", en="borrow books", zh="借书")
def borrow_a_book(draw: Draw) -> Goal:
    state = draw.states["library_loans"]
    mine = {loan["book_id"] for loan in state["loans"]} | set(state["reservations"])
    free = [book for book in state["books"] if book["copies_left"] > 0 and book["id"] not in mine]
    book = draw.one(free)
    found = call("search_books", text=book["title"])
    borrowed = call("borrow_book", book_id=found["books"].where(title=book["title"])["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    ('borrow "{title}" from the library', 'lend me "{title}" from the library'),
                    ("从图书馆借《{title}》", "在图书馆帮我借一本《{title}》"),
                ),
                values={"title": book["title"]},
                steps=[[found], [borrowed]],
                told=wording(
                    ('"{title}" is yours until {due} ({id}).',), ("已借到《{title}》，请在 {due} 前归还（{id}）。",)
                ),
                results={"due": borrowed["due"], "id": borrowed["id"]},
            )
        ],
        {
            f"library_loans/books/{state['books'].index(book)}/copies_left": book["copies_left"] - 1,
            "library_loans/loans/*": {"book_id": book["id"]},
            "library_loans/next_id": ANY,
        },
    )


@scenario("error_correction", "library_loans", en="borrow books", zh="借书")
def book_that_is_out(draw: Draw) -> Goal:
    state = draw.states["library_loans"]
    mine = {loan["book_id"] for loan in state["loans"]} | set(state["reservations"])
    book = draw.one([book for book in state["books"] if book["copies_left"] == 0 and book["id"] not in mine])
    found = call("search_books", text=book["title"])
    chosen = found["books"].where(title=book["title"])["id"]
    reserved = call("reserve_book", book_id=chosen)
    return Goal(
        [
            Request(
                asked=wording(
                    'borrow "{title}" from the library, or reserve it if no copy is left',
                    "从图书馆借《{title}》，没有的话就预约",
                ),
                values={"title": book["title"]},
                steps=[[found], [refused("borrow_book", book_id=chosen)], [reserved]],
                told=wording(('No copy is left, so I reserved "{title}".',), ("《{title}》已全部借出，已为您预约。",)),
            )
        ],
        {f"library_loans/reservations/{len(state['reservations'])}": book["id"]},
    )

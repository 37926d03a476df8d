"""What people want to know of cartoons, and to watch."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.scenarios.cast import facts
from octupus.agent.generate.wording import each, wording


@scenario("single", "cartoons", en="look up cartoons", zh="查询动画片")
def cartoons_with_a_character(draw: Draw) -> Goal:
    cartoon = draw.one(facts("cartoons"))
    character = draw.one(cartoon["characters"])
    found = call("find_cartoons_with_character", character=character)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "find cartoons[ with {character} in them]",
                        "tell me which cartoons there are[ with {character}]",
                        "Which cartoons does {character} appear in?",
                    ),
                    (
                        "查找[有{character}的]动画片",
                        "{character}出现在哪些动画片里？",
                        "找一下[{character}出场的]动画片",
                    ),
                ),
                values={"character": character},
                steps=[[found]],
                told=wording(("{character} appears in: {titles}.",), ("有{character}的动画片：{titles}。",)),
                results={"titles": each(found["cartoons"], "{title}", "《{title}》")},
                answers=(cartoon["title"],),
                omissible={"character": Omissible("the name of the character", "角色的名字")},
            )
        ]
    )


@scenario("multi_step", "cartoons", en="look up cartoons", zh="查询动画片")
def about_a_cartoon(draw: Draw) -> Goal:
    cartoon = draw.one(facts("cartoons"))
    title = cartoon["title"] if draw.language == "zh" else cartoon["english_title"]
    found = call("find_cartoons", title=title)
    told = call("get_cartoon", cartoon_id=found["cartoons"][0]["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'tell me when and in which country the cartoon "{title}" was made',
                        'When was the cartoon "{title}" made, and where does it come from?',
                    ),
                    ("动画片《{title}》是哪一年、哪个国家的作品？", "查一下动画片《{title}》的年份和国家"),
                ),
                values={"title": title},
                steps=[[found], [told]],
                told=wording(
                    ('"{title}" is from {country} and came out in {year}.',),
                    ("《{title}》是 {year} 年的作品，来自 {country}。",),
                ),
                results={"country": told["country"], "year": told["year"]},
                answers=(told["country"], told["year"]),
            )
        ]
    )


@scenario("multi_turn", "cartoons", en="look after your list of cartoons", zh="管理动画片清单")
def find_and_put_on_the_list(draw: Draw) -> Goal:
    listed = {entry["cartoon_id"] for entry in draw.states["cartoons"]["watchlist"]}
    cartoon = draw.one([each for each in facts("cartoons") if each["id"] not in listed])
    country, form = cartoon["country"], cartoon["form"]
    alike = [each for each in facts("cartoons") if (each["country"], each["form"]) == (country, form)]
    if len(alike) < 2:
        raise NotPossible
    title = cartoon["title"] if draw.language == "zh" else cartoon["english_title"]
    key = "title" if draw.language == "zh" else "english_title"
    found = call("find_cartoons", country=country, form=form)
    added = call("add_to_watchlist", cartoon_id=found["cartoons"].where(**{key: title})["id"])
    word = {"film": "动画电影（film）", "series": "动画剧集（series）"}[form]
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        f"find cartoons from {{country}} that are a {form}",
                        f"Which cartoon {form} titles are from {{country}}?",
                    ),
                    (f"找一下 {{country}} 的{word}", f"有哪些来自 {{country}} 的{word}？"),
                ),
                values={"country": country},
                steps=[[found]],
                told=wording(("There are: {titles}.", "I found {titles}."), ("有：{titles}。",)),
                results={"titles": each(found["cartoons"], "{english_title} ({year})", "《{title}》（{year}）")},
            ),
            Request(
                asked=wording(
                    ('put "{title}" on my list', 'add "{title}" to what I want to watch'),
                    ("把《{title}》加到我的待看清单", "《{title}》不错，加入清单。"),
                ),
                values={"title": title},
                steps=[[added]],
                told=wording(
                    ('"{title}" is on your list.', 'I put "{title}" on the list.'), ("已把《{title}》加入清单。",)
                ),
            ),
        ],
        {"cartoons/watchlist/*": {"cartoon_id": cartoon["id"], "watched": False}},
    )

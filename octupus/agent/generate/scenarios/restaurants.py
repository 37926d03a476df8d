"""What people want of restaurants."""

from __future__ import annotations

from typing import Any

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call, refused
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.scenarios.cast import cities, city_of, day_after, people
from octupus.agent.generate.wording import each, wording


@scenario("multi_step", "weather", "restaurants", en="find restaurants", zh="查找餐厅")
def table_on_the_best_day(draw: Draw) -> Goal:
    city = draw.one(cities(draw))
    best, chinese = draw.one((("warm", "最暖和"), ("dry", "最干燥")))
    state = draw.states["restaurants"]
    inside = [each for each in state["restaurants"] if each["city"] == city.english]
    restaurant = draw.one(inside)
    day = call("find_best_day", city=city.name, wanted=best)
    found = call("search_restaurants", city=city.name)
    free = call(
        "list_free_tables",
        restaurant_id=found["restaurants"].where(name=restaurant["name"])["id"],
        date=day["date"],
    )
    superlative = {"warm": "warmest", "dry": "driest"}[best]
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        f"find out which of the next days is the {superlative} in {{city}} ({best}), and when {{name}} "
                        "has free tables on it",
                    ),
                    (f"看看{{city}}接下来哪天{chinese}（{best}），那天 {{name}} 什么时候有空位",),
                ),
                values={"city": city.name, "name": restaurant["name"]},
                steps=[[day, found], [free]],
                told=wording(
                    (f"The {superlative} day is {{day}}. {{name}} has tables at: {{times}}.",),
                    (f"{chinese}的是 {{day}}。{{name}} 当天有空位的时间：{{times}}。",),
                ),
                results={"day": day["date"], "times": each(free["free"], "{time}")},
                answers=(day["date"],),
            )
        ]
    )


def _full(state: dict[str, Any], restaurant: dict[str, Any]) -> set[tuple[str, str]]:
    return {(taken["date"], taken["time"]) for taken in state["taken"] if taken["restaurant_id"] == restaurant["id"]}


@scenario("multi_step", "restaurants", en="book tables", zh="预订餐桌", like=("calendar",))
def book_a_table(draw: Draw) -> Goal:
    state = draw.states["restaurants"]
    restaurant = draw.one(state["restaurants"])
    city = city_of(draw, restaurant["city"])
    day, time = day_after(state, draw.number(1, 6)), draw.one(("12:00", "14:00", "18:00", "20:00"))
    if (day, time) in _full(state, restaurant):
        raise NotPossible
    guests, name = draw.number(2, restaurant["seats_per_table"]), draw.one(people(draw))["called"]
    found = call("search_restaurants", city=city.name)
    booked = call(
        "book_table",
        restaurant_id=found["restaurants"].where(name=restaurant["name"])["id"],
        date=day,
        time=time,
        people=guests,
        name=name,
    )
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "book a table at {restaurant} in {city} on {day} at {time}[ for {guests} people], name {name}",
                        "reserve a table[ for {guests}] at {restaurant} ({city}), {day}, {time}, in the name {name}",
                    ),
                    (
                        "预订{city}的 {restaurant}，{day} {time}[，{guests} 个人]，名字写{name}",
                        "用{name}的名字在{city} {restaurant} 订位，时间 {day} {time}[，{guests} 人]",
                    ),
                ),
                values={
                    "restaurant": restaurant["name"],
                    "city": city.name,
                    "day": day,
                    "time": time,
                    "guests": guests,
                    "name": name,
                },
                steps=[[found], [booked]],
                told=wording(
                    (
                        "Your table at {restaurant} is booked for {day} at {time}, {guests} people ({id}).",
                        "Done: {restaurant}, {day}, {time}, {guests} people, in the name {name}. The id is {id}.",
                    ),
                    ("已预订 {restaurant}：{day} {time}，{guests} 人，预订号 {id}。",),
                ),
                results={"id": booked["id"]},
                omissible={"guests": Omissible("the number of people", "用餐人数")},
            )
        ],
        {
            "restaurants/reservations/0": {
                "restaurant_id": restaurant["id"],
                "date": day,
                "time": time,
                "people": guests,
            },
            "restaurants/next_id": ANY,
        },
    )


@scenario("error_correction", "restaurants", en="book tables", zh="预订餐桌", like=("calendar",))
def restaurant_that_is_full(draw: Draw) -> Goal:
    state = draw.states["restaurants"]
    restaurant = draw.one(state["restaurants"])
    city = city_of(draw, restaurant["city"])
    full = _full(state, restaurant)
    day, time = draw.one(sorted(full))
    other = draw.one([each for each in ("12:00", "14:00", "18:00", "20:00") if (day, each) not in full])
    guests, name = draw.number(2, 4), draw.one(people(draw))["called"]
    found = call("search_restaurants", city=city.name)
    details: dict[str, Any] = {
        "restaurant_id": found["restaurants"].where(name=restaurant["name"])["id"],
        "date": day,
        "people": guests,
        "name": name,
    }
    booked = call("book_table", **details, time=other)
    return Goal(
        [
            Request(
                asked=wording(
                    "book a table for {guests} at {restaurant} in {city} on {day} at {time}, or at {other} if it is "
                    "full then; the name is {name}",
                    "预订{city}的 {restaurant}，{day} {time}，{guests} 人，名字{name}；如果没有位子就改成 {other}",
                ),
                values={
                    "restaurant": restaurant["name"],
                    "city": city.name,
                    "day": day,
                    "time": time,
                    "other": other,
                    "guests": guests,
                    "name": name,
                },
                steps=[[found], [refused("book_table", **details, time=time)], [booked]],
                told=wording(
                    ("At {time} {restaurant} is full, so your table is booked for {other} on {day} ({id}).",),
                    ("{restaurant} {time} 已满，已改订 {day} {other}（{id}）。",),
                ),
                results={"id": booked["id"]},
            )
        ],
        {"restaurants/reservations/0": {"date": day, "time": other, "people": guests}, "restaurants/next_id": ANY},
    )

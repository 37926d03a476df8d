"""What people want to know of the weather."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import cities, day_after
from octupus.agent.generate.wording import each, wording


@scenario("single", "weather", en="look up the weather", zh="查询天气")
def weather_on_a_day(draw: Draw) -> Goal:
    city, day = draw.one(cities(draw)), day_after(draw.states["weather"], draw.number(0, 6))
    made = call("get_weather", city=city.name, date=day)
    return Goal(
        [
            Request(
                asked=wording(
                    ("What will the weather be like[ in {city}] on {day}?", "tell me the weather[ in {city}] on {day}"),
                    ("{day} [{city}的]天气怎么样？", "查一下[{city}] {day} 的天气"),
                ),
                values={"city": city.name, "day": day},
                steps=[[made]],
                told=wording(
                    (
                        "On {day} it will be {sky} in {city}, with {low} to {high} degrees Celsius.",
                        "{city} on {day}: {sky}, between {low} and {high} degrees Celsius, {rain}% chance of rain.",
                    ),
                    ("{city} {day} 天气：{sky}，{low} 至 {high} 摄氏度，降水概率 {rain}%。",),
                ),
                results={
                    "sky": made["sky"],
                    "low": made["low_celsius"],
                    "high": made["high_celsius"],
                    "rain": made["rain_percent"],
                },
                answers=(made["sky"], made["high_celsius"]),
                omissible={"city": Omissible("the city", "城市")},
            )
        ]
    )


@scenario("parallel", "weather", en="look up the weather", zh="查询天气")
def weather_in_cities(draw: Draw) -> Goal:
    chosen, day = draw.some(cities(draw), draw.one((2, 3))), day_after(draw.states["weather"], draw.number(0, 6))
    calls = [call("get_weather", city=city.name, date=day) for city in chosen]
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "look up the weather in {cities} on {day}, for each city by itself",
                        "How will the weather be in {cities} on {day}?",
                    ),
                    ("分别查一下{cities}在 {day} 的天气", "{cities}在 {day} 天气如何？"),
                ),
                values={"cities": [city.name for city in chosen], "day": day},
                steps=[calls],
                told=wording(("The weather on {day}: {weather}.",), ("{day} 的天气：{weather}。",)),
                results={
                    "weather": each(
                        [made.result for made in calls],
                        "{city} {sky}, up to {high_celsius} degrees",
                        "{city} {sky}，最高 {high_celsius} 度",
                    )
                },
                answers=[answer for made in calls for answer in (made["sky"], made["high_celsius"])],
            )
        ]
    )

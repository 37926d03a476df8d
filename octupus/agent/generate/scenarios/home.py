"""What people want at home: lights and heating, waste."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call, refused
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.scenarios.cast import facts
from octupus.agent.generate.wording import each, wording

ROOMS = {
    "living room": "客厅（living room）",
    "kitchen": "厨房（kitchen）",
    "bedroom": "卧室（bedroom）",
    "bathroom": "浴室（bathroom）",
}


@scenario("single", "smart_home", en="set the heating", zh="调节暖气")
def warmer_room(draw: Draw) -> Goal:
    radiators = [
        (place, device)
        for place, device in enumerate(draw.states["smart_home"]["devices"])
        if device["kind"] == "radiator"
    ]
    place, radiator = draw.one(radiators)
    celsius = draw.number(10, 26)
    if celsius == radiator["target_celsius"]:
        raise NotPossible
    room = radiator["room"]
    made = call("set_thermostat", room=room, celsius=celsius)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        f"set the heating in the {room}[ to {{celsius}} degrees]",
                        f"heat the {room}[ to {{celsius}} degrees]",
                    ),
                    (f"把{ROOMS[room]}的暖气调[到 {{celsius}} 度]",),
                ),
                values={"celsius": celsius},
                steps=[[made]],
                told=wording(
                    (f"The radiator in the {room} keeps {{celsius}} degrees now.",),
                    (f"{ROOMS[room]}的暖气已设为 {{celsius}} 度。",),
                ),
                omissible={"celsius": Omissible("the temperature", "温度")},
            )
        ],
        {f"smart_home/devices/{place}/target_celsius": celsius},
    )


@scenario("parallel", "smart_home", en="read the sensors of your home", zh="读取家里的传感器")
def climate_of_rooms(draw: Draw) -> Goal:
    rooms = draw.some(list(ROOMS), draw.one((2, 3)))
    calls = [call("read_room_climate", room=room) for room in rooms]
    spoken = rooms if draw.language == "en" else [ROOMS[room] for room in rooms]
    return Goal(
        [
            Request(
                asked=wording(
                    ("tell me how warm it is in {rooms}", "What is the temperature in {rooms}?"),
                    ("{rooms}现在多少度？", "告诉我{rooms}的温度"),
                ),
                values={"rooms": spoken},
                steps=[calls],
                told=wording(("It is {climate}.",), ("温度：{climate}。",)),
                results={
                    "climate": each(
                        [made.result for made in calls], "{celsius} degrees in the {room}", "{room} {celsius} 度"
                    )
                },
                answers=[made["celsius"] for made in calls],
            )
        ]
    )


@scenario("parallel", "waste_sorting", en="sort waste", zh="垃圾分类")
def bins_for_waste(draw: Draw) -> Goal:
    waste = facts("waste")
    city = draw.one(list(waste["cities"]))
    chosen = draw.some(waste["items"], draw.one((2, 3)))
    items = [item["name"] if draw.language == "en" else item["chinese_name"] for item in chosen]
    calls = [call("sort_waste", item=item, city=city) for item in items]
    chinese = waste["cities"][city]["chinese_name"]
    return Goal(
        [
            Request(
                asked=wording(
                    (f"Which bins do {{items}} go into in {city}?", f"tell me where {{items}} belong in {city}"),
                    (
                        f"在{chinese}（{city}），{{items}}分别属于什么垃圾？",
                        f"{{items}}在{chinese}（{city}）应该扔哪个垃圾桶？",
                    ),
                ),
                values={"items": items},
                steps=[calls],
                told=wording(("They go like this: {bins}.",), ("分类结果：{bins}。",)),
                results={
                    "bins": each(
                        [made["results"][0] for made in calls],
                        "{item} into {bin} ({bin_name})",
                        "{chinese_name}属于 {bin_name}",
                    )
                },
                answers=[made["results"][0]["bin_name"] for made in calls],
            )
        ]
    )


@scenario("error_correction", "waste_sorting", en="order a pickup of bulky waste", zh="预约大件垃圾上门回收")
def pickup_on_another_day(draw: Draw) -> Goal:
    state = draw.states["waste_sorting"]
    city = draw.one(list(facts("waste")["cities"]))
    full, later = state["full_days"][0], f"{state['full_days'][-1][:8]}28"
    first_pickup = state["pickups"][0]
    if later in state["full_days"] or later <= state["full_days"][-1] or first_pickup["date"] in (full, later):
        raise NotPossible
    item, chinese = draw.one((("wardrobe", "衣柜"), ("mattress", "床垫"), ("bookcase", "书柜")))
    piece = item if draw.language == "en" else chinese
    made = call("book_bulky_pickup", city=city, date=later, items=[piece])
    return Goal(
        [
            Request(
                asked=wording(
                    "order a pickup of a {piece} in {city} for {full}, or for {later} if that day is full",
                    "预约 {full} 在 {city} 上门回收{piece}，如果约满了就改到 {later}",
                ),
                values={"piece": piece, "city": city, "full": full, "later": later},
                steps=[[refused("book_bulky_pickup", city=city, date=full, items=[piece])], [made]],
                told=wording(
                    ("{full} is full, so the {piece} is fetched on {later} ({id}).",),
                    ("{full} 已约满，{piece}改在 {later} 回收（{id}）。",),
                ),
                results={"id": made["id"]},
            )
        ],
        {"waste_sorting/pickups/1": {"city": city, "date": later, "items": [piece]}, "waste_sorting/next_id": ANY},
    )

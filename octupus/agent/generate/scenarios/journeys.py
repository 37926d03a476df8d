"""What people want when they travel: flights, hotels, parking."""

from __future__ import annotations

from typing import Any

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import City, city_of, day_after, people
from octupus.agent.generate.wording import each, wording


def _route(draw: Draw) -> tuple[dict[str, Any], City, City, str]:
    """A flight with seats, its cities by the names that the user knows, and its day."""
    flight = draw.one([flight for flight in draw.states["flights"]["flights"] if flight["seats_left"] > 0])
    return flight, city_of(draw, flight["origin"]), city_of(draw, flight["destination"]), flight["departs"][:10]


@scenario("multi_turn", "flights", en="search flights", zh="查询航班")
def search_and_book_a_flight(draw: Draw) -> Goal:
    state = draw.states["flights"]
    flight, origin, destination, day = _route(draw)
    person = draw.one(people(draw))
    found = call("search_flights", origin=origin.name, destination=destination.name, date=day)
    first = found["flights"][0]
    passenger = {"name": person["called"], "date_of_birth": person["birthday"]}
    booked = call("book_flight", flight_id=first["id"], passengers=[passenger])
    place = state["flights"].index(flight)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "find flights from {origin} to {destination}[ on {day}]",
                        "Which flights go[ on {day}] from {origin} to {destination}?",
                    ),
                    ("查一下[ {day} ]从{origin}到{destination}的航班", "[{day} ]从{origin}飞{destination}有哪些航班？"),
                ),
                values={"origin": origin.name, "destination": destination.name, "day": day},
                steps=[[found]],
                told=wording(("On {day} there is: {flights}.", "I found: {flights}."), ("{day} 的航班：{flights}。",)),
                results={
                    "flights": each(
                        found["flights"],
                        "{id} at {departs} for {price} EUR, {seats_left} seats left",
                        "{id}，{departs} 起飞，{price} EUR，余 {seats_left} 座",
                    )
                },
                omissible={"day": Omissible("the day of the flight", "出发日期")},
            ),
            Request(
                asked=wording(
                    (
                        "book the cheapest one for {name}, born on {birthday}",
                        "take the cheapest for one passenger: {name}, date of birth {birthday}",
                    ),
                    ("预订最便宜的，乘客{name}，出生日期 {birthday}",),
                ),
                values={"name": person["called"], "birthday": person["birthday"]},
                steps=[[booked]],
                told=wording(
                    ("{name} is booked on {flight} for {price} EUR. The booking is {id}.",),
                    ("已为{name}预订 {flight}，票价 {price} EUR，订单号 {id}。",),
                ),
                results={"flight": booked["flight_id"], "price": booked["price"], "id": booked["id"]},
            ),
        ],
        {
            f"flights/flights/{place}/seats_left": flight["seats_left"] - 1,
            "flights/bookings/0": {"flight_id": flight["id"], "passengers": [passenger]},
            "flights/next_id": ANY,
        },
    )


@scenario("multi_step", "contacts", "flights", en="book flights", zh="预订航班")
def flight_for_a_contact(draw: Draw) -> Goal:
    state = draw.states["flights"]
    flight, origin, destination, day = _route(draw)
    person = draw.one(draw.states["contacts"]["contacts"])
    called = (draw.language == "zh" and person["chinese_name"]) or person["name"]
    contact = call("find_contact", name=called)
    found = call("search_flights", origin=origin.name, destination=destination.name, date=day)
    details = contact["contacts"][0]
    passenger = {"name": details["name"], "date_of_birth": details["birthday"]}
    booked = call("book_flight", flight_id=found["flights"][0]["id"], passengers=[passenger])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "book {name} on the cheapest flight from {origin} to {destination} on {day}; the date of birth "
                        "is in my contacts",
                    ),
                    ("帮{name}预订 {day} 从{origin}到{destination}最便宜的航班，出生日期在通讯录里",),
                ),
                values={"name": called, "origin": origin.name, "destination": destination.name, "day": day},
                steps=[[contact, found], [booked]],
                told=wording(
                    ("{name} flies with {flight} at {departs}. It costs {price} EUR ({id}).",),
                    ("已为{name}预订 {flight}，{departs} 起飞，票价 {price} EUR（{id}）。",),
                ),
                results={
                    "flight": booked["flight_id"],
                    "departs": booked["flight"]["departs"],
                    "price": booked["price"],
                    "id": booked["id"],
                },
            )
        ],
        {
            f"flights/flights/{state['flights'].index(flight)}/seats_left": flight["seats_left"] - 1,
            "flights/bookings/0": {
                "flight_id": flight["id"],
                "passengers": [{"name": person["name"], "date_of_birth": person["birthday"]}],
            },
            "flights/next_id": ANY,
        },
    )


@scenario("multi_step", "hotels", en="book hotels", zh="预订酒店")
def book_a_room(draw: Draw) -> Goal:
    state = draw.states["hotels"]
    hotel = draw.one(state["hotels"])
    city, guest = city_of(draw, hotel["city"]), draw.one(people(draw))["called"]
    first, nights = draw.number(1, 14), draw.number(1, 4)
    check_in, check_out = day_after(state, first), day_after(state, first + nights)
    room, chinese = draw.one((("single", "单人间"), ("double", "双人间"), ("family", "家庭房")))
    found = call("search_hotels", city=city.name, check_in=check_in, check_out=check_out)
    booked = call(
        "book_hotel",
        hotel_id=found["hotels"].where(name=hotel["name"])["id"],
        room_type=room,
        check_in=check_in,
        check_out=check_out,
        guest_name=guest,
    )
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        f"book a {room} room at the {{hotel}}, {{city}}, {{check_in}} to {{check_out}} for {{guest}}",
                        f"I need a {room} at the {{hotel}} in {{city}} for {{guest}}, {{check_in}} to {{check_out}}. "
                        "Please book it.",
                    ),
                    (
                        f"为{{guest}}预订{{city}} {{hotel}} 的{chinese}（{room}），{{check_in}} 入住"
                        "，{check_out} 离店",
                    ),
                ),
                values={
                    "hotel": hotel["name"],
                    "city": city.name,
                    "check_in": check_in,
                    "check_out": check_out,
                    "guest": guest,
                },
                steps=[[found], [booked]],
                told=wording(
                    (f"The {room} room at the {{hotel}} is booked: {{nights}} nights for {{price}} EUR ({{id}}).",),
                    (f"已预订 {{hotel}} {chinese}，共 {{nights}} 晚，{{price}} EUR，订单号 {{id}}。",),
                ),
                results={"nights": booked["nights"], "price": booked["price"], "id": booked["id"]},
            )
        ],
        {
            "hotels/bookings/0": {
                "hotel_id": hotel["id"],
                "room_type": room,
                "check_in": check_in,
                "guest_name": guest,
            },
            "hotels/next_id": ANY,
        },
    )


@scenario("multi_turn", "parking", en="look up garages", zh="查询停车场")
def compare_and_reserve_parking(draw: Draw) -> Goal:
    state = draw.states["parking"]
    garage = draw.one(state["garages"])
    same = [each for each in state["garages"] if each["city"] == garage["city"]]
    plate = f"B-{draw.one(('AK', 'XR', 'MS', 'TO'))} {draw.number(100, 999)}"
    day = day_after(state, draw.number(1, 8))
    start, end = f"{day}T09:00", f"{day}T{draw.number(11, 18)}:00"
    least = min(each["cents_per_hour"] for each in same)
    found = call("list_garages", city=garage["city"])
    reserved = call(
        "reserve_parking", garage_id=found["garages"].least("price_per_hour")["id"], plate=plate, start=start, end=end
    )
    cheapest = [each["id"] for each in same if each["cents_per_hour"] == least]
    return Goal(
        [
            Request(
                asked=wording(
                    ("What do the garages in {city} cost?", "list the parking garages in {city} with their prices"),
                    ("{city} 的停车场怎么收费？", "列出 {city} 的停车场和价格"),
                ),
                values={"city": garage["city"]},
                steps=[[found]],
                told=wording(("In {city}: {garages}.",), ("{city} 的停车场：{garages}。",)),
                results={
                    "garages": each(
                        found["garages"], "{name}, {price_per_hour} EUR an hour", "{name}，每小时 {price_per_hour} EUR"
                    )
                },
            ),
            Request(
                asked=wording(
                    ("reserve a place in the cheapest one from {start} to {end}; the number plate is {plate}",),
                    ("在最便宜的那家预留车位，{start} 到 {end}，车牌 {plate}",),
                ),
                values={"start": start, "end": end, "plate": plate},
                steps=[[reserved]],
                told=wording(
                    ("{plate} has a place in {garage}; the fee is {fee} EUR ({id}).",),
                    ("已在 {garage} 为 {plate} 预留车位，费用 {fee} EUR（{id}）。",),
                ),
                results={"garage": reserved["garage"], "fee": reserved["fee"], "id": reserved["id"]},
            ),
        ],
        {
            "parking/reservations/0": {"garage_id": cheapest[0], "plate": plate, "start": start, "end": end},
            "parking/next_id": ANY,
        },
    )

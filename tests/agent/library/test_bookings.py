"""Calendar, clinic, flights, hotels, restaurants, parking, library and pickups: nothing is booked twice."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .modules import load

calendar, appointments, flights, hotels, restaurants, parking, loans, waste = (
    load(name)
    for name in (
        "calendar",
        "appointments",
        "flights",
        "hotels",
        "restaurants",
        "parking",
        "library_loans",
        "waste_sorting",
    )
)


def day(state: dict, ahead: int) -> str:
    return str(date.fromisoformat(state["now"][:10]) + timedelta(days=ahead))


@given(st.integers(0, 20), st.lists(st.tuples(st.integers(1, 6), st.integers(8, 19), st.integers(1, 3)), max_size=10))
def test_events_never_overlap_and_free_time_is_free(seed: int, wanted: list[tuple[int, int, int]]) -> None:
    state = calendar.initial_state(seed)
    for ahead, hour, hours in wanted:
        start, end = f"{day(state, ahead)}T{hour:02d}:00", f"{day(state, ahead)}T{hour + hours:02d}:00"
        clash = any(start < event["end"] and event["start"] < end for event in state["events"])
        if clash:
            with pytest.raises(ValueError, match="overlaps"):
                calendar.create_event("Walk", start, end, state=state)
        else:
            calendar.create_event("Walk", start, end, state=state)
    spans = sorted((event["start"], event["end"]) for event in state["events"])
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    for ahead in range(1, 7):
        for free in calendar.find_free_time(day(state, ahead), 30, state=state)["free"]:
            calendar.create_event("Fits", free["start"], free["end"], state=state)
        assert calendar.find_free_time(day(state, ahead), 30, state=state)["free"] == []


def test_an_event_can_be_moved_onto_itself_and_forced_upon_another() -> None:
    state = calendar.initial_state(1)
    first, second = sorted(state["events"], key=lambda event: event["start"])[:2]
    moved = calendar.reschedule_event(first["id"], first["start"] + ":00", first["end"].replace("T", " "), state=state)
    assert (moved["start"], moved["end"]) == (first["start"], first["end"])
    with pytest.raises(ValueError, match=f"{second['id']} .* overlaps"):
        calendar.reschedule_event(first["id"], second["start"], second["end"], state=state)
    added = calendar.create_event("Call", second["start"], second["end"], ["a@b.c"], allow_overlap=True, state=state)
    assert added["id"] == "evt_9"
    assert calendar.delete_event("evt_9", state=state)["deleted"] == added
    listed = calendar.list_events(first["start"][:10], state=state)["events"]
    assert first["id"] in [event["id"] for event in listed]


def test_a_doctor_is_seen_once_at_a_time() -> None:
    state = appointments.initial_state(2)
    free = {
        doctor["id"]: appointments.list_free_slots(doctor["id"], state=state)["free"] for doctor in state["doctors"]
    }
    own = state["appointments"][0]["start"][:10]
    doctor, start = next((doctor, start) for doctor, starts in free.items() for start in starts if start[:10] != own)
    booked = appointments.book_appointment(doctor, start, "headache", state=state)
    assert start not in appointments.list_free_slots(doctor, start[:10], state=state)["free"]
    with pytest.raises(ValueError, match="is not free"):
        appointments.book_appointment(doctor, start, "again", state=state)
    other = next((other for other, starts in free.items() if other != doctor and start in starts), None)
    if other is not None:
        with pytest.raises(ValueError, match="less than an hour"):
            appointments.book_appointment(other, start, "at once", state=state)
    appointments.cancel_appointment(booked["id"], state=state)
    assert appointments.list_free_slots(doctor, state=state)["free"] == free[doctor]
    assert len(appointments.list_doctors("cardiology", state=state)["doctors"]) == 1


def test_seats_are_booked_until_none_is_left() -> None:
    state = flights.initial_state(3)
    flight = next(flight for flight in state["flights"] if flight["seats_left"] == 3)
    adult = {"name": "Anna Schmidt", "date_of_birth": "1978-09-03"}
    found = flights.search_flights(flight["origin"], flight["destination"], flight["departs"][:10], state=state)
    assert flight["id"] in [shown["id"] for shown in found["flights"]]
    booked = flights.book_flight(flight["id"], [adult, adult], "business", state=state)
    assert booked["price"] == flight["price_cents"] * 6 / 100
    with pytest.raises(ValueError, match="has 1 free seats, and 2 are asked for"):
        flights.book_flight(flight["id"], [adult, adult], state=state)
    assert flights.cancel_flight_booking(booked["id"], state=state)["refund"] == booked["price"]
    assert state["flights"] == flights.initial_state(3)["flights"]
    for wrong in ("1978-9-3", "2999-01-01", "1878-01-01"):
        with pytest.raises(ValueError, match="date_of_birth"):
            flights.book_flight(flight["id"], [{**adult, "date_of_birth": wrong}], state=state)


def test_berlin_reaches_four_cities_and_the_others_are_named() -> None:
    for seed in range(10):
        state = flights.initial_state(seed)
        reached = {flight["destination"] for flight in state["flights"] if flight["origin"] == "Berlin"}
        assert len(reached) == 4
        with pytest.raises(ValueError, match=", ".join(sorted(reached))):
            flights.search_flights("BER", "柏林", day(state, 3), state=state)


@given(st.integers(0, 10), st.lists(st.tuples(st.integers(0, 14), st.integers(1, 5)), min_size=1, max_size=12))
def test_a_room_is_never_given_to_two(seed: int, stays: list[tuple[int, int]]) -> None:
    state = hotels.initial_state(seed)
    hotel = state["hotels"][seed]
    room = hotel["rooms"][1]
    for ahead, nights in stays:
        check_in, check_out = day(state, ahead), day(state, ahead + nights)
        found = hotels.search_hotels(hotel["city"], check_in, check_out, 2, state=state)["hotels"]
        offered = any(
            one["id"] == hotel["id"] and "double" in [free["type"] for free in one["free_rooms"]] for one in found
        )
        try:
            booked = hotels.book_hotel(hotel["id"], "double", check_in, check_out, "Ann", state=state)
        except ValueError:
            assert not offered
        else:
            assert offered
            assert booked["price"] == nights * room["price_cents"] / 100
    for ahead in range(20):
        there = [
            record.get("count", 1)
            for record in state["bookings"] + state["taken"]
            if (record["hotel_id"], record["room_type"]) == (hotel["id"], "double")
            and record["check_in"] <= day(state, ahead) < record["check_out"]
        ]
        assert sum(there) <= room["count"]


def test_a_table_is_taken_once() -> None:
    state = restaurants.initial_state(4)
    full = state["taken"][-1]
    with pytest.raises(ValueError, match="is full"):
        restaurants.book_table(full["restaurant_id"], full["date"], full["time"], 2, "Ann", state=state)
    free = restaurants.list_free_tables("rst_15", day(state, 1), state=state)["free"][0]
    booked = restaurants.book_table("rst_15", day(state, 1), free["time"], 4, "Ann", state=state)
    with pytest.raises(ValueError, match=f"{booked['id']} is at the same time"):
        restaurants.book_table("rst_16", day(state, 1), free["time"], 2, "Ann", state=state)
    after = restaurants.list_free_tables("rst_15", day(state, 1), state=state)["free"]
    assert sum(entry["tables"] for entry in after if entry["time"] == free["time"]) == free["tables"] - 1
    with pytest.raises(ValueError, match="for 1 to"):
        restaurants.book_table("rst_16", day(state, 2), "18:00", 7, "Ann", state=state)
    found = restaurants.search_restaurants("北京", "chinese", vegetarian=True, state=state)["restaurants"]
    assert [restaurant["name"] for restaurant in found] == ["什刹海素食"]
    restaurants.cancel_table(booked["id"], state=state)
    assert restaurants.list_table_reservations(state=state) == {"reservations": []}


def test_a_garage_fills_up() -> None:
    state = parking.initial_state(5)
    garage = {**state["garages"][0], "places": 1, "cents_per_hour": 250}
    state["garages"][0] = garage
    start, end = f"{day(state, 1)}T10:00", f"{day(state, 1)}T11:01"
    assert parking.estimate_parking_fee("gar_1", 61, state=state)["fee"] == 5.0
    booked = parking.reserve_parking("gar_1", "B-AB 123", start, end, state=state)
    assert booked["fee"] == 5.0
    with pytest.raises(ValueError, match="B-AB 123 is at gar_1"):
        parking.reserve_parking("gar_2", "B-AB 123", start, end, state=state)
    with pytest.raises(ValueError, match="no place free"):
        parking.reserve_parking("gar_1", "沪A12345", start, end, state=state)
    parking.reserve_parking("gar_1", "沪A12345", end, f"{day(state, 1)}T12:00", state=state)
    with pytest.raises(ValueError, match="no place free"):
        parking.extend_parking(booked["id"], 5, state=state)
    with pytest.raises(ValueError, match="before now"):
        parking.reserve_parking("gar_1", "X-Y 1", f"{day(state, -1)}T10:00", end, state=state)
    parking.cancel_parking("prk_2", state=state)
    assert parking.extend_parking(booked["id"], 60, state=state)["fee"] == 7.5


def test_a_library_lends_what_it_has() -> None:
    state = loans.initial_state(6)
    current, late = state["loans"]
    with pytest.raises(ValueError, match="was due on"):
        loans.renew_loan(late["id"], state=state)
    given_back = loans.return_book(late["id"], state=state)
    assert given_back["fee"] == pytest.approx(given_back["days_late"] * 0.2)
    current["renewals"] = 1
    assert loans.renew_loan(current["id"], state=state)["due"] == day(state, 28)
    with pytest.raises(ValueError, match="which is the most"):
        loans.renew_loan(current["id"], state=state)
    reserved = state["reservations"][0]
    with pytest.raises(ValueError, match="reserve_book"):
        loans.borrow_book(reserved, state=state)
    copies = sum(book["copies_left"] for book in state["books"])
    free = [book["id"] for book in state["books"] if book["copies_left"] and book["id"] != current["book_id"]]
    for book_id in free[:4]:
        loans.borrow_book(book_id, state=state)
    with pytest.raises(ValueError, match="at most 5"):
        loans.borrow_book(free[4], state=state)
    assert sum(book["copies_left"] for book in state["books"]) == copies - 4
    found = loans.search_books("曹雪芹", state=state)["books"]
    assert [book["title"] for book in found] == ["红楼梦"]


def test_waste_goes_where_the_city_says() -> None:
    def bins(item: str, city: str) -> list[str]:
        return [result["bin_name"] for result in waste.sort_waste(item, city)["results"]]

    assert bins("egg shells", "Shanghai") == bins("蛋壳", "Shanghai") == ["湿垃圾"]
    assert bins("蛋壳", "Beijing") == ["厨余垃圾"]
    assert bins("大骨头", "Shanghai") == ["干垃圾"]
    assert bins("大骨头", "Berlin") == ["Biotonne"]
    assert bins("Glass bottle", "Berlin") == ["Glasiglu"]
    assert set(bins("电池", "Shanghai")) == {"有害垃圾"}
    assert {item["name"] for item in waste.list_waste_items("有害垃圾", "Shanghai")["items"]} >= {"nail polish"}
    with pytest.raises(ValueError, match="is not known"):
        waste.sort_waste("unicorn", "Berlin")
    state = waste.initial_state(7)
    found = waste.find_next_collection("black", "Berlin", state=state)
    assert found["weekday"] == "Monday" == f"{date.fromisoformat(found['date']):%A}"
    assert day(state, 1) <= found["date"] <= day(state, 7)
    with pytest.raises(ValueError, match="fully booked"):
        waste.book_bulky_pickup("Berlin", state["full_days"][0], ["sofa"], state=state)
    booked = waste.book_bulky_pickup("Beijing", day(state, 30), ["沙发", "床垫"], state=state)
    with pytest.raises(ValueError, match="pick_2 is on"):
        waste.book_bulky_pickup("Beijing", day(state, 30), ["沙发"], state=state)
    assert waste.cancel_bulky_pickup(booked["id"], state=state)["cancelled"] == booked

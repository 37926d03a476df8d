"""What one module gives is what another takes: tasks of several steps over different modules."""

from datetime import datetime, timedelta

from .modules import load

SEED = 11


def test_a_dinner_is_planned_with_a_friend() -> None:
    contacts, weather, restaurants, calendar, mail = (
        load(name).initial_state(SEED) for name in ("contacts", "weather", "restaurants", "calendar", "mail")
    )
    friend = load("contacts").find_contact(contacts["contacts"][0]["name"], state=contacts)["contacts"][0]
    day = load("weather").find_best_day("Berlin", "dry", state=weather)["date"]
    best = load("restaurants").search_restaurants("Berlin", state=restaurants)["restaurants"][0]
    free = load("restaurants").list_free_tables(best["id"], day, state=restaurants)["free"][-1]
    table = load("restaurants").book_table(best["id"], day, free["time"], 2, friend["name"], state=restaurants)
    start = datetime.fromisoformat(f"{table['date']}T{table['time']}")
    times = [moment.isoformat(timespec="minutes") for moment in (start, start + timedelta(hours=2))]
    event = load("calendar").create_event(
        f"Dinner at {table['restaurant']}", *times, [friend["email"]], allow_overlap=True, state=calendar
    )
    sent = load("mail").send_mail(event["attendees"], event["title"], f"See you at {event['start']}.", state=mail)
    assert sent["to"] == [friend["email"]]


def test_a_trip_is_booked_and_paid_for_in_another_currency() -> None:
    flights, hotels, rates, bank = (
        load(name).initial_state(SEED) for name in ("flights", "hotels", "currency", "bank")
    )
    flight = next(one for one in flights["flights"] if one["origin"] == "Berlin" and one["seats_left"])
    found = load("flights").search_flights("Berlin", flight["destination"], flight["departs"][:10], state=flights)
    cheapest = next(one for one in found["flights"] if one["seats_left"])
    load("flights").book_flight(
        cheapest["id"], [{"name": "Robin Keller", "date_of_birth": "1990-01-01"}], state=flights
    )
    arrival = datetime.fromisoformat(cheapest["departs"])
    stay = [str(arrival.date()), str((arrival + timedelta(days=2)).date())]
    hotel = load("hotels").search_hotels(cheapest["destination"], *stay, state=hotels)["hotels"][0]
    room = hotel["free_rooms"][0]
    booked = load("hotels").book_hotel(hotel["id"], room["type"], *stay, "Robin Keller", state=hotels)
    assert booked["price"] == 2 * room["price_per_night"]
    local = load("currency").get_currency_of_city(cheapest["destination"])["currency"]
    euros = load("currency").convert_currency(20, local, "EUR", state=rates)["amount"]
    paid = load("bank").transfer_money("acc_2", "payee_1", euros, state=bank)
    assert paid["transaction"]["amount"] == -euros

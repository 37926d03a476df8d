"""Tools of a travel agency for benchmarks/agent_solvers.py: what is chosen first turns out to be wrong only later.

Of the offers of an item one is sold out. A deposit can be paid for one offer of an item and is not given back, and that
an offer is sold out is said when it is booked, after a deposit and a traveller. Only going back undoes a wrong choice.
"""

import random
from typing import Any

CATEGORY = "Travel"
ITEMS = ("flight", "hotel", "car")


def initial_state(seed: int) -> dict[str, Any]:
    """Two offers of each item, one of them sold out."""
    draws = random.Random(f"trip:{seed}")
    offers = {}
    for item in ITEMS:
        sold_out = draws.randrange(2)
        for position, number in enumerate(draws.sample(range(100, 1000), 2)):
            offers[f"{item}_{number}"] = {"item": item, "price": 80, "sold_out": position == sold_out}
    return {"offers": offers, "deposits": {}, "travellers": {}, "bookings": {}}


def find_offers(item: str, state: dict[str, Any]) -> list[dict[str, Any]]:
    """Find the offers of an item.

    Args:
        item: flight, hotel or car.
    """
    found = [
        {"offer_id": key, "price": offer["price"]} for key, offer in state["offers"].items() if offer["item"] == item
    ]
    if not found:
        raise ValueError(f"there is no item {item!r}; the items are flight, hotel and car")
    return found


def pay_deposit(offer_id: str, state: dict[str, Any]) -> dict[str, Any]:
    """Pay the deposit for an offer. There is one deposit for each item, and it is not given back.

    Args:
        offer_id: The offer, as find_offers names it.
    """
    item = _offer(offer_id, state)["item"]
    if item in state["deposits"]:
        raise ValueError(f"the deposit for the {item} was paid for {state['deposits'][item]} and cannot be moved")
    state["deposits"][item] = offer_id
    return {"offer_id": offer_id, "deposit": "paid"}


def add_traveller(offer_id: str, name: str, state: dict[str, Any]) -> dict[str, Any]:
    """Say who travels.

    Args:
        offer_id: The offer, as find_offers names it.
        name: The traveller's name.
    """
    _offer(offer_id, state)
    state["travellers"][offer_id] = name
    return {"offer_id": offer_id, "traveller": name}


def book(offer_id: str, state: dict[str, Any]) -> dict[str, Any]:
    """Book an offer whose deposit is paid and whose traveller is known.

    Args:
        offer_id: The offer, as find_offers names it.
    """
    offer = _offer(offer_id, state)
    if state["deposits"].get(offer["item"]) != offer_id or offer_id not in state["travellers"]:
        raise ValueError(f"pay the deposit for {offer_id} and add the traveller first")
    if offer["sold_out"]:
        raise ValueError(f"{offer_id} is sold out")
    state["bookings"][offer["item"]] = f"REF-{offer_id[-3:]}"
    return {"offer_id": offer_id, "reference": f"REF-{offer_id[-3:]}"}


def _offer(offer_id: str, state: dict[str, Any]) -> dict[str, Any]:
    if offer_id not in state["offers"]:
        raise ValueError(f"there is no offer {offer_id!r}; find_offers names them")
    found: dict[str, Any] = state["offers"][offer_id]
    return found

"""Orders that are on their way: tracking, another address, cancelling, sending back."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, TypedDict

CATEGORY = "eCommerce"

_DATA = Path(__file__).parent / "data"
_CAST = json.loads((_DATA / "cast.json").read_text(encoding="utf-8"))
_PRODUCTS = json.loads((_DATA / "products.json").read_text(encoding="utf-8"))

OrderStatus = Literal["processing", "shipped", "delivered", "cancelled", "returned"]
_RETURN_DAYS = 14


class Address(TypedDict):
    """Where an order goes."""

    street: str
    city: str
    postal_code: str


def initial_state(seed: int) -> dict[str, Any]:
    """Five orders, at least one of them in each of processing, shipped and delivered."""
    draw = random.Random(f"orders:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    today = date.fromisoformat(now[:10])
    statuses = ["processing", "shipped", "delivered", *draw.choices(["processing", "shipped", "delivered"], k=2)]
    orders = []
    for number, status in enumerate(draw.sample(statuses, 5), 1):
        products = draw.sample(_PRODUCTS, draw.randrange(1, 4))
        items = [
            {"product": product["name"], "quantity": draw.randrange(1, 4), "price_cents": product["price_cents"]}
            for product in products
        ]
        ahead = -draw.randrange(1, 25) if status == "delivered" else draw.randrange(1, 8)
        orders.append(
            {
                "id": f"ord_{number}",
                "status": status,
                "items": items,
                "total_cents": sum(item["quantity"] * item["price_cents"] for item in items),
                "delivery_date": str(today + timedelta(days=ahead)),
                "address": {
                    "street": f"{draw.randrange(1, 99)} Linden Street",
                    "city": "Berlin",
                    "postal_code": "10117",
                },
                "location": {
                    "processing": "warehouse",
                    "shipped": draw.choice(["Hamburg", "Leipzig"]),
                    "delivered": "Berlin",
                }[status],
            }
        )
    return {"now": now, "orders": orders}


def list_orders(status: OrderStatus | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the user's orders.

    Args:
        status: How far the orders are; without it, all are listed.
    """
    found = [order for order in state["orders"] if status in (None, order["status"])]
    brief = ("id", "status", "delivery_date")
    return {
        "orders": [
            {**{key: order[key] for key in brief}, "total": order["total_cents"] / 100, "items": len(order["items"])}
            for order in found
        ]
    }


def track_order(order_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tell what is in an order, where it is and when it comes.

    Args:
        order_id: Id of the order, such as ord_2.
    """
    return _shown(_order(order_id, state))


def change_delivery_address(order_id: str, address: Address, *, state: dict[str, Any]) -> dict[str, Any]:
    """Send an order that has not left yet to another address.

    Args:
        order_id: Id of the order, such as ord_2.
        address: New address: street with number, city and postal_code.
    """
    order = _order(order_id, state)
    _in_status(order, "processing", "changed")
    empty = [key for key in ("street", "city", "postal_code") if not address[key].strip()]
    if empty:
        raise ValueError(f"address lacks {', '.join(empty)}")
    order["address"] = dict(address)
    return _shown(order)


def delay_delivery(order_id: str, days: int, *, state: dict[str, Any]) -> dict[str, Any]:
    """Let an order come some days later.

    Args:
        order_id: Id of the order, such as ord_2.
        days: How many days later, from 1 to 14.
    """
    order = _order(order_id, state)
    if not 1 <= days <= 14:
        raise ValueError(f"days must be from 1 to 14, not {days}")
    if order["status"] not in ("processing", "shipped"):
        raise ValueError(f"{order_id} is {order['status']} and can no longer be delayed")
    latest = date.fromisoformat(state["now"][:10]) + timedelta(days=30)
    later = date.fromisoformat(order["delivery_date"]) + timedelta(days=days)
    if later > latest:
        raise ValueError(f"a delivery can be put off until {latest} at most, and this would be {later}")
    order["delivery_date"] = str(later)
    return _shown(order)


def cancel_order(order_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Cancel an order that has not left yet.

    Args:
        order_id: Id of the order, such as ord_2.
    """
    order = _order(order_id, state)
    _in_status(order, "processing", "cancelled")
    order["status"] = "cancelled"
    return {"cancelled": order_id, "refund": order["total_cents"] / 100}


def return_order(
    order_id: str, reason: Literal["damaged", "wrong item", "not needed", "late"], *, state: dict[str, Any]
) -> dict[str, Any]:
    """Send back an order that was delivered at most fourteen days ago.

    Args:
        order_id: Id of the order, such as ord_2.
        reason: Why it is sent back.
    """
    order = _order(order_id, state)
    _in_status(order, "delivered", "returned")
    days = (date.fromisoformat(state["now"][:10]) - date.fromisoformat(order["delivery_date"])).days
    if days > _RETURN_DAYS:
        raise ValueError(f"{order_id} was delivered {days} days ago; it can be returned within {_RETURN_DAYS} days")
    order["status"] = "returned"
    return {"returned": order_id, "reason": reason, "refund": order["total_cents"] / 100}


def _order(order_id: str, state: dict[str, Any]) -> dict[str, Any]:
    orders: list[dict[str, Any]] = state["orders"]
    for order in orders:
        if order["id"] == order_id:
            return order
    raise ValueError(f"there is no order {order_id!r}; there are: {', '.join(order['id'] for order in orders)}")


def _in_status(order: dict[str, Any], status: str, action: str) -> None:
    if order["status"] != status:
        raise ValueError(f"only orders that are {status} can be {action}; {order['id']} is {order['status']}")


def _shown(order: dict[str, Any]) -> dict[str, Any]:
    """An order with its cents as amounts with decimals."""
    items = [
        {"product": item["product"], "quantity": item["quantity"], "price": item["price_cents"] / 100}
        for item in order["items"]
    ]
    rest = {key: order[key] for key in ("id", "status", "delivery_date", "address", "location")}
    return {**rest, "items": items, "total": order["total_cents"] / 100}

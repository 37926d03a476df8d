"""A shop: products, a cart, vouchers and checkout."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal, TypedDict

CATEGORY = "eCommerce"

_DATA = Path(__file__).parent / "data"
_CAST = json.loads((_DATA / "cast.json").read_text(encoding="utf-8"))
_PRODUCTS = json.loads((_DATA / "products.json").read_text(encoding="utf-8"))

Category = Literal["home", "kitchen", "electronics", "office", "sports", "toys"]
_EXPRESS_CENTS = 990
_MOST_OF_ONE = 20


class Address(TypedDict):
    """Where a purchase goes."""

    street: str
    city: str
    postal_code: str


def initial_state(seed: int) -> dict[str, Any]:
    """All products with a stock, two vouchers, and a cart with one product; prices are in cents of EUR."""
    draw = random.Random(f"shop:{seed}")
    products = [{**product, "stock": draw.choice([0, 1, 3, 8, 20])} for product in _PRODUCTS]
    first = draw.choice([product for product in products if product["stock"] >= 3])
    vouchers = [
        {"code": f"SAVE{percent}", "percent": percent, "least_cents": least, "used": False}
        for percent, least in zip(draw.sample([5, 10, 15, 20], 2), draw.sample([0, 3000, 6000], 2), strict=True)
    ]
    return {
        "now": _CAST["mornings"][seed % len(_CAST["mornings"])],
        "products": products,
        "cart_items": [{"product_id": first["id"], "quantity": 1}],
        "vouchers": vouchers,
        "purchases": [],
        "next_id": 1,
    }


def search_products(
    text: str = "",
    category: Category | None = None,
    max_price: float | None = None,
    in_stock: bool = True,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Search for products of the shop, cheapest first.

    Args:
        text: Part of the product's name, such as lamp.
        category: Department of the shop.
        max_price: Highest price in EUR.
        in_stock: Whether only products that can be bought now are wanted.
    """
    wanted = text.strip().casefold()
    found = [
        product
        for product in state["products"]
        if wanted in product["name"].casefold()
        and category in (None, product["category"])
        and (max_price is None or product["price_cents"] <= max_price * 100)
        and (product["stock"] > 0 or not in_stock)
    ]
    return {"products": [_shown(product) for product in sorted(found, key=lambda product: int(product["price_cents"]))]}


def add_to_cart(product_id: str, quantity: int = 1, *, state: dict[str, Any]) -> dict[str, Any]:
    """Put a product into the cart.

    Args:
        product_id: Id of the product, such as prd_3.
        quantity: How many, from 1 to 20.
    """
    product = _product(product_id, state)
    if not 1 <= quantity <= _MOST_OF_ONE:
        raise ValueError(f"quantity must be from 1 to {_MOST_OF_ONE}, not {quantity}")
    item = next((item for item in state["cart_items"] if item["product_id"] == product_id), None)
    total = quantity + (item["quantity"] if item else 0)
    if total > min(product["stock"], _MOST_OF_ONE):
        raise ValueError(f"{product['stock']} of {product['name']} are in stock, and the cart would hold {total}")
    if item is None:
        state["cart_items"].append({"product_id": product_id, "quantity": quantity})
    else:
        item["quantity"] = total
    return view_cart(state=state)


def remove_from_cart(product_id: str, quantity: int | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Take a product out of the cart.

    Args:
        product_id: Id of a product in the cart, such as prd_3.
        quantity: How many to take out; without it, all.
    """
    item = next((item for item in state["cart_items"] if item["product_id"] == product_id), None)
    if item is None:
        inside = ", ".join(item["product_id"] for item in state["cart_items"]) or "nothing"
        raise ValueError(f"{product_id!r} is not in the cart; in it is: {inside}")
    if quantity is not None and not 1 <= quantity <= item["quantity"]:
        raise ValueError(f"quantity must be from 1 to {item['quantity']}, which the cart holds, not {quantity}")
    item["quantity"] -= item["quantity"] if quantity is None else quantity
    if item["quantity"] == 0:
        state["cart_items"].remove(item)
    return view_cart(state=state)


def view_cart(*, state: dict[str, Any]) -> dict[str, Any]:
    """Show what is in the cart and what it costs."""
    items, total = [], 0
    for item in state["cart_items"]:
        product = _product(item["product_id"], state)
        cents = item["quantity"] * product["price_cents"]
        items.append({**item, "name": product["name"], "price": product["price_cents"] / 100, "sum": cents / 100})
        total += cents
    return {"items": items, "total": total / 100, "currency": "EUR"}


def list_vouchers(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the user's vouchers that can still be used, with the least total that each asks for."""
    left = [voucher for voucher in state["vouchers"] if not voucher["used"]]
    return {
        "vouchers": [
            {"code": voucher["code"], "percent": voucher["percent"], "least_total": voucher["least_cents"] / 100}
            for voucher in left
        ]
    }


def checkout(
    address: Address,
    payment: Literal["card", "invoice"] = "card",
    voucher: str | None = None,
    express: bool = False,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Buy what is in the cart.

    Args:
        address: Where it goes: street with number, city and postal_code.
        payment: How it is paid.
        voucher: Code of a voucher, such as SAVE10.
        express: Whether it comes tomorrow, for 9.90 EUR more.
    """
    if not state["cart_items"]:
        raise ValueError("the cart is empty; add_to_cart puts products into it")
    empty = [key for key in ("street", "city", "postal_code") if not address[key].strip()]
    if empty:
        raise ValueError(f"address lacks {', '.join(empty)}")
    lines = [(_product(item["product_id"], state), item["quantity"]) for item in state["cart_items"]]
    for product, quantity in lines:
        if quantity > product["stock"]:
            raise ValueError(
                f"only {product['stock']} of {product['name']} are left; take {quantity - product['stock']} out"
            )
    goods = sum(quantity * product["price_cents"] for product, quantity in lines)
    used = _voucher(voucher, goods, state)
    discount = goods * used["percent"] // 100 if used else 0
    purchase = {
        "id": f"pur_{state['next_id']}",
        "date": state["now"][:10],
        "items": state["cart_items"],
        "address": dict(address),
        "payment": payment,
        "express": express,
        "total_cents": goods - discount + (_EXPRESS_CENTS if express else 0),
    }
    if used:
        used["used"] = True
    for product, quantity in lines:
        product["stock"] -= quantity
    state["next_id"] += 1
    state["cart_items"] = []
    state["purchases"].append(purchase)
    shown = {key: value for key, value in purchase.items() if key != "total_cents"}
    return {**shown, "discount": discount / 100, "total": purchase["total_cents"] / 100, "currency": "EUR"}


def _product(product_id: str, state: dict[str, Any]) -> dict[str, Any]:
    products: list[dict[str, Any]] = state["products"]
    for product in products:
        if product["id"] == product_id:
            return product
    raise ValueError(f"there is no product {product_id!r}; ids go from prd_1 to prd_{len(products)}")


def _voucher(code: str | None, goods: int, state: dict[str, Any]) -> dict[str, Any] | None:
    if code is None:
        return None
    vouchers: list[dict[str, Any]] = state["vouchers"]
    found = next((voucher for voucher in vouchers if voucher["code"] == code.strip().upper()), None)
    if found is None or found["used"]:
        usable = ", ".join(voucher["code"] for voucher in vouchers if not voucher["used"]) or "none"
        raise ValueError(f"voucher {code!r} cannot be used; these can: {usable}")
    if goods < found["least_cents"]:
        least = found["least_cents"] / 100
        raise ValueError(
            f"voucher {found['code']} is for {least:.2f} EUR or more, and the cart costs {goods / 100:.2f}"
        )
    return found


def _shown(product: dict[str, Any]) -> dict[str, Any]:
    shown = {key: product[key] for key in ("id", "name", "category", "stock")}
    return {**shown, "price": product["price_cents"] / 100, "currency": "EUR"}

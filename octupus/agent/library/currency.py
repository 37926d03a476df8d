"""Exchange rates and conversion between currencies."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Finance"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

Currency = Literal["EUR", "USD", "GBP", "CNY", "JPY", "CHF", "CAD", "AUD", "SGD"]

_USUAL_PER_EUR = {
    "EUR": 1.0, "USD": 1.1, "GBP": 0.86, "CNY": 7.8, "JPY": 162.0, "CHF": 0.95, "CAD": 1.5, "AUD": 1.66, "SGD": 1.46,
}  # fmt: skip


def initial_state(seed: int) -> dict[str, Any]:
    """Rates near the usual ones, as units of each currency for one euro."""
    draw = random.Random(f"currency:{seed}")
    rates = [
        {"currency": code, "per_euro": usual if code == "EUR" else round(usual * draw.uniform(0.95, 1.05), 4)}
        for code, usual in _USUAL_PER_EUR.items()
    ]
    return {"now": _CAST["mornings"][seed % len(_CAST["mornings"])], "rates": rates}


def convert_currency(
    amount: float, from_currency: Currency, to_currency: Currency, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Convert an amount of money into another currency at today's rate.

    Args:
        amount: How much, from 0 to 1000000000.
        from_currency: Currency of the amount.
        to_currency: Currency to convert into.
    """
    if not 0 <= amount <= 1e9:
        raise ValueError(f"amount must be from 0 to 1000000000, not {amount}")
    rate = _rate(from_currency, to_currency, state)
    return {"amount": round(amount * rate, 2), "currency": to_currency, "rate": round(rate, 6)}


def get_exchange_rate(from_currency: Currency, to_currency: Currency, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tell how much one unit of a currency is worth in another.

    Args:
        from_currency: Currency of which there is one unit.
        to_currency: Currency in which its worth is wanted.
    """
    rate = round(_rate(from_currency, to_currency, state), 6)
    return {"from_currency": from_currency, "to_currency": to_currency, "rate": rate, "date": state["now"][:10]}


def get_currency_of_city(city: str) -> dict[str, Any]:
    """Tell which currency is used in a city.

    Args:
        city: Name of the city, such as Zurich.
    """
    for known in _CAST["cities"]:
        if city.strip().casefold() in (known["name"].casefold(), known["chinese_name"]):
            return {"city": known["name"], "country": known["country"], "currency": known["currency"]}
    raise ValueError(f"no city {city!r} is known; the cities are {', '.join(city['name'] for city in _CAST['cities'])}")


def _rate(source: str, target: str, state: dict[str, Any]) -> float:
    per_euro = {rate["currency"]: rate["per_euro"] for rate in state["rates"]}
    for code in (source, target):
        if code not in per_euro:
            raise ValueError(f"no rate of {code!r} is known; the currencies are {', '.join(per_euro)}")
    return float(per_euro[target] / per_euro[source])

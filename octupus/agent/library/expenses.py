"""What the user spent, by category, against a monthly budget."""

from __future__ import annotations

import json
import random
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

CATEGORY = "Finance"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

Category = Literal["food", "transport", "home", "health", "leisure", "travel", "other"]
_CATEGORIES: tuple[str, ...] = get_args(Category)


def initial_state(seed: int) -> dict[str, Any]:
    """Ten expenses of the last thirty days and a budget for each category, in cents."""
    draw = random.Random(f"expenses:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    days = sorted(date.fromisoformat(now[:10]) - timedelta(days=draw.randrange(1, 30)) for _ in range(10))
    expenses = [
        {
            "id": f"exp_{number}",
            "date": str(day),
            "category": draw.choice(_CATEGORIES),
            "amount_cents": draw.randrange(300, 12_000),
            "note": "",
        }
        for number, day in enumerate(days, 1)
    ]
    budgets = [{"category": category, "limit_cents": draw.randrange(100, 600) * 100} for category in _CATEGORIES]
    return {"now": now, "expenses": expenses, "budgets": budgets, "next_id": 11}


def add_expense(
    amount: float, category: Category, date: str | None = None, note: str = "", *, state: dict[str, Any]
) -> dict[str, Any]:
    """Note an amount that was spent.

    Args:
        amount: How much, in EUR, with at most two decimals.
        category: What it was spent on.
        date: Day, as YYYY-MM-DD; without it, today.
        note: What it was in detail.
    """
    _known(category)
    if date is not None:
        _day(date, "date")
    expense = {
        "id": f"exp_{state['next_id']}",
        "date": date or state["now"][:10],
        "category": category,
        "amount_cents": _cents(amount),
        "note": note,
    }
    state["next_id"] += 1
    state["expenses"].append(expense)
    return _shown(expense)


def list_expenses(
    from_date: str | None = None, to_date: str | None = None, category: Category | None = None, *, state: dict[str, Any]
) -> dict[str, Any]:
    """List expenses with their total, of some days or a category.

    Args:
        from_date: First day, as YYYY-MM-DD.
        to_date: Last day, as YYYY-MM-DD.
        category: What was spent on.
    """
    first = _day(from_date, "from_date") if from_date is not None else ""
    last = _day(to_date, "to_date") if to_date is not None else "9"
    found = [
        expense
        for expense in state["expenses"]
        if first <= expense["date"] <= last and category in (None, expense["category"])
    ]
    total = sum(expense["amount_cents"] for expense in found)
    return {"expenses": [_shown(expense) for expense in found], "total": total / 100}


def set_budget(category: Category, limit: float, *, state: dict[str, Any]) -> dict[str, Any]:
    """Set how much may be spent on a category in a month.

    Args:
        category: What is spent on.
        limit: Amount in EUR, with at most two decimals.
    """
    _known(category)
    cents = _cents(limit)
    budget = next(budget for budget in state["budgets"] if budget["category"] == category)
    budget["limit_cents"] = cents
    return _shown(budget)


def compare_with_budget(month: str | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """Compare what was spent in a month with the budget of each category.

    Args:
        month: Month as YYYY-MM; without it, the current one.
    """
    if month is not None and not re.fullmatch("20[0-9]{2}-(0[1-9]|1[0-2])", month):
        raise ValueError(f"month must be such as 2026-03, not {month!r}")
    wanted = month or state["now"][:7]
    rows = []
    for budget in state["budgets"]:
        spent = sum(
            expense["amount_cents"]
            for expense in state["expenses"]
            if expense["category"] == budget["category"] and expense["date"].startswith(wanted)
        )
        left = budget["limit_cents"] - spent
        rows.append({**_shown(budget), "spent": spent / 100, "left": left / 100})
    return {"month": wanted, "categories": rows}


def delete_expense(expense_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Take back an expense that was noted.

    Args:
        expense_id: Id of the expense, such as exp_3.
    """
    for expense in state["expenses"]:
        if expense["id"] == expense_id:
            state["expenses"].remove(expense)
            return {"deleted": _shown(expense)}
    known = ", ".join(expense["id"] for expense in state["expenses"]) or "none"
    raise ValueError(f"there is no expense {expense_id!r}; there are: {known}")


def _known(category: str) -> None:
    if category not in _CATEGORIES:
        raise ValueError(f"category must be one of {', '.join(_CATEGORIES)}, not {category!r}")


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its cents as an amount with decimals."""
    return {
        key.removesuffix("_cents"): value / 100 if key.endswith("_cents") else value for key, value in record.items()
    }


def _cents(amount: float) -> int:
    if not 0 < amount <= 1_000_000:
        raise ValueError(f"the amount must be above 0 and at most 1000000, not {amount}")
    cents = round(amount * 100)
    if abs(cents - amount * 100) > 1e-6:
        raise ValueError(f"the amount must have at most two decimals, not {amount}")
    return cents


def _day(text: str, parameter: str) -> str:
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
            return str(date.fromisoformat(text))
    except ValueError:
        pass
    raise ValueError(f"{parameter} must be a day such as 2026-03-14, not {text!r}")

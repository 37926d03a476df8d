"""A bank: the user's accounts, people who can be paid, bills and transactions."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

CATEGORY = "Finance"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))


def initial_state(seed: int) -> dict[str, Any]:
    """Three accounts, eight payees, four bills and a few transactions; amounts are in cents."""
    draw = random.Random(f"bank:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    today = date.fromisoformat(now[:10])
    kinds = [
        ("checking", "EUR", 80_000, 400_000),
        ("savings", "EUR", 300_000, 2_000_000),
        ("travel", "USD", 0, 150_000),
    ]
    accounts = [
        {"id": f"acc_{number}", "name": name, "currency": currency, "balance_cents": draw.randrange(low, high)}
        for number, (name, currency, low, high) in enumerate(kinds, 1)
    ]
    payees = [
        {"id": f"payee_{number}", "name": person["name"]}
        for number, person in enumerate(draw.sample(_CAST["people"], 8), 1)
    ]
    bills = [
        {
            "id": f"bill_{number}",
            "from": sender,
            "amount_cents": draw.randrange(1_500, 30_000),
            "due": str(today + timedelta(days=draw.randrange(2, 25))),
            "paid": False,
        }
        for number, sender in enumerate(
            draw.sample(["City Power", "Waterworks", "Fast Net", "Rent Office", "Gym"], 4), 1
        )
    ]
    transactions = [
        {
            "id": f"txn_{number}",
            "account_id": draw.choice(["acc_1", "acc_2"]),
            "date": str(today - timedelta(days=20 - 3 * number)),
            "amount_cents": draw.choice([-1, -1, 1]) * draw.randrange(500, 20_000),
            "with": draw.choice(["Green Grocer", "Book Corner", "Metro", "Salary Office", "Pharmacy"]),
            "note": "",
        }
        for number in range(1, 6)
    ]
    return {
        "now": now,
        "accounts": accounts,
        "payees": payees,
        "bills": bills,
        "transactions": transactions,
        "next_id": 6,
    }


def list_accounts(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the user's accounts with their balances."""
    return {"accounts": [_shown(account) for account in state["accounts"]]}


def list_payees(name: str = "", *, state: dict[str, Any]) -> dict[str, Any]:
    """List the people to whom money can be sent.

    Args:
        name: Part of a name; without it, all are listed.
    """
    return {"payees": [payee for payee in state["payees"] if name.casefold() in payee["name"].casefold()]}


def transfer_money(
    from_account_id: str, to_id: str, amount: float, note: str = "", *, state: dict[str, Any]
) -> dict[str, Any]:
    """Move money from one of the user's accounts to another one or to a payee.

    Args:
        from_account_id: Account that pays, such as acc_1.
        to_id: Account or payee that receives, such as acc_2 or payee_3.
        amount: How much, in the currency of the paying account, with at most two decimals.
        note: What the receiver reads.
    """
    source = _record(state["accounts"], from_account_id, "account")
    target = _record(state["accounts"] + state["payees"], to_id, "account or payee")
    if target["id"] == source["id"]:
        raise ValueError(f"{to_id} cannot send money to itself; choose another account or a payee")
    if target.get("currency", source["currency"]) != source["currency"]:
        raise ValueError(
            f"{from_account_id} is in {source['currency']} and {to_id} in {target['currency']}: no transfer"
        )
    cents = _cents(amount)
    _withdraw(source, cents)
    made = _enter(state, source, -cents, target["name"], note)
    if "balance_cents" in target:
        target["balance_cents"] += cents
        _enter(state, target, cents, source["name"], note)
    return {"transaction": made, "account": _shown(source)}


def list_bills(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the bills that are not paid yet."""
    return {"bills": [_shown(bill) for bill in state["bills"] if not bill["paid"]]}


def pay_bill(bill_id: str, from_account_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Pay a bill in full.

    Args:
        bill_id: Id of the bill, such as bill_2.
        from_account_id: Account in EUR that pays, such as acc_1.
    """
    bill = _record(state["bills"], bill_id, "bill")
    source = _record(state["accounts"], from_account_id, "account")
    if bill["paid"]:
        raise ValueError(f"{bill_id} is already paid")
    if source["currency"] != "EUR":
        raise ValueError(f"bills are paid in EUR, and {from_account_id} is in {source['currency']}")
    _withdraw(source, bill["amount_cents"])
    bill["paid"] = True
    return {
        "transaction": _enter(state, source, -bill["amount_cents"], bill["from"], bill_id),
        "account": _shown(source),
    }


def list_transactions(account_id: str, limit: int = 10, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the latest transactions of an account, newest first.

    Args:
        account_id: Id of the account, such as acc_1.
        limit: Most transactions to list, from 1 to 100.
    """
    _record(state["accounts"], account_id, "account")
    if not 1 <= limit <= 100:
        raise ValueError(f"limit must be from 1 to 100, not {limit}")
    found = [record for record in state["transactions"] if record["account_id"] == account_id]
    return {"transactions": [_shown(record) for record in reversed(found)][:limit]}


def _record(records: list[dict[str, Any]], wanted: str, kind: str) -> dict[str, Any]:
    for record in records:
        if record["id"] == wanted:
            return record
    raise ValueError(f"there is no {kind} {wanted!r}; there are: {', '.join(record['id'] for record in records)}")


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its cents as an amount with decimals."""
    return {
        key.removesuffix("_cents"): value / 100 if key.endswith("_cents") else value for key, value in record.items()
    }


def _cents(amount: float) -> int:
    if not 0 < amount <= 1_000_000:
        raise ValueError(f"amount must be above 0 and at most 1000000, not {amount}")
    cents = round(amount * 100)
    if abs(cents - amount * 100) > 1e-6:
        raise ValueError(f"amount must have at most two decimals, not {amount}")
    return cents


def _withdraw(account: dict[str, Any], cents: int) -> None:
    if account["balance_cents"] < cents:
        has = f"{account['balance_cents'] / 100:.2f} {account['currency']}"
        raise ValueError(f"insufficient funds: {account['id']} has {has}, and {cents / 100:.2f} are needed")
    account["balance_cents"] -= cents


def _enter(state: dict[str, Any], account: dict[str, Any], cents: int, other: str, note: str) -> dict[str, Any]:
    transaction = {
        "id": f"txn_{state['next_id']}",
        "account_id": account["id"],
        "date": state["now"][:10],
        "amount_cents": cents,
        "with": other,
        "note": note,
    }
    state["next_id"] += 1
    state["transactions"].append(transaction)
    return _shown(transaction)

"""Bank, currency, expenses, shop and orders: cents are neither made nor lost."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .modules import load, run

bank, shop, orders, expenses, currency = (load(name) for name in ("bank", "shop", "orders", "expenses", "currency"))
HOME = {"street": "5 Linden Street", "city": "Berlin", "postal_code": "10117"}


def balance(state: dict, account_id: str) -> int:
    return next(account["balance_cents"] for account in state["accounts"] if account["id"] == account_id)


@given(
    st.integers(0, 50),
    st.lists(
        st.tuples(
            st.sampled_from(["acc_1", "acc_2", "acc_3"]),
            st.sampled_from(["acc_1", "acc_2", "payee_1"]),
            st.integers(1, 500_000),
        ),
        max_size=8,
    ),
)
def test_money_is_conserved(seed: int, transfers: list[tuple[str, str, int]]) -> None:
    state = bank.initial_state(seed)
    own = sum(account["balance_cents"] for account in state["accounts"])
    sent, before = 0, len(state["transactions"])
    for source, target, cents in transfers:
        try:
            made = bank.transfer_money(source, target, cents / 100, state=state)
        except ValueError:
            continue
        assert made["transaction"]["amount"] == -cents / 100
        sent += cents if target == "payee_1" else 0
    assert sum(account["balance_cents"] for account in state["accounts"]) == own - sent
    assert sum(made["amount_cents"] for made in state["transactions"][before:]) == -sent
    assert all(account["balance_cents"] >= 0 for account in state["accounts"])


def test_a_transfer_that_cannot_be_says_why() -> None:
    state = bank.initial_state(1)
    has = balance(state, "acc_1") / 100
    with pytest.raises(ValueError, match=f"insufficient funds: acc_1 has {has:.2f} EUR, and {has + 0.01:.2f}"):
        bank.transfer_money("acc_1", "payee_1", has + 0.01, state=state)
    with pytest.raises(ValueError, match="acc_1 is in EUR and acc_3 in USD"):
        bank.transfer_money("acc_1", "acc_3", 1, state=state)
    with pytest.raises(ValueError, match="two decimals"):
        bank.transfer_money("acc_1", "acc_2", 1.005, state=state)
    with pytest.raises(ValueError, match="acc_1, acc_2, acc_3, payee_1"):
        bank.transfer_money("acc_1", "acc_9", 1, state=state)
    for amount in (0, -5, float("inf"), 10**400):
        with pytest.raises(ValueError, match="above 0"):
            bank.transfer_money("acc_1", "acc_2", amount, state=state)
    assert state == bank.initial_state(1)
    assert bank.transfer_money("acc_1", "payee_1", has, state=state)["account"]["balance"] == 0


def test_a_bill_is_paid_once() -> None:
    state = bank.initial_state(2)
    bill = bank.list_bills(state=state)["bills"][0]
    before = balance(state, "acc_2")
    bank.pay_bill(bill["id"], "acc_2", state=state)
    assert balance(state, "acc_2") == before - round(bill["amount"] * 100)
    assert bill["id"] not in [left["id"] for left in bank.list_bills(state=state)["bills"]]
    with pytest.raises(ValueError, match="already paid"):
        bank.pay_bill(bill["id"], "acc_2", state=state)
    assert bank.list_transactions("acc_2", state=state)["transactions"][0]["note"] == bill["id"]


def test_currencies_agree_with_each_other() -> None:
    state = currency.initial_state(3)
    for source in ("EUR", "CNY", "JPY"):
        for target in ("USD", "CHF"):
            rate = currency.get_exchange_rate(source, target, state=state)["rate"]
            back = currency.get_exchange_rate(target, source, state=state)["rate"]
            assert rate * back == pytest.approx(1, rel=1e-3)
            assert currency.convert_currency(1000, source, target, state=state)["amount"] == pytest.approx(
                1000 * rate, abs=0.01
            )
    assert currency.convert_currency(12.34, "EUR", "EUR", state=state)["amount"] == 12.34
    assert run("currency", "get_currency_of_city", {"city": "苏黎世"}, None)["currency"] == "CHF"


@given(
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(1, 24), st.integers(1, 4)), max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_a_cart_adds_up_in_cents(seed: int, wanted: list[tuple[int, int]], express: bool, with_voucher: bool) -> None:
    state = shop.initial_state(seed)
    for number, quantity in wanted:
        before = copy.deepcopy(state)
        try:
            shop.add_to_cart(f"prd_{number}", quantity, state=state)
        except ValueError:
            assert state == before
    prices = {product["id"]: product["price_cents"] for product in state["products"]}
    stock = {product["id"]: product["stock"] for product in state["products"]}
    items = copy.deepcopy(state["cart_items"])
    goods = sum(prices[item["product_id"]] * item["quantity"] for item in items)
    assert shop.view_cart(state=state)["total"] == goods / 100
    voucher = state["vouchers"][0]
    use = with_voucher and goods >= voucher["least_cents"]
    bought = shop.checkout(HOME, voucher=voucher["code"] if use else None, express=express, state=state)
    discount = goods * voucher["percent"] // 100 if use else 0
    assert state["purchases"][-1]["total_cents"] == goods - discount + (990 if express else 0)
    assert bought["total"] == state["purchases"][-1]["total_cents"] / 100
    assert voucher["used"] is use
    assert state["cart_items"] == []
    for item in items:
        left = next(product["stock"] for product in state["products"] if product["id"] == item["product_id"])
        assert left == stock[item["product_id"]] - item["quantity"]


def test_a_shop_refuses_what_it_cannot_do() -> None:
    state = shop.initial_state(4)
    inside = state["cart_items"][0]["product_id"]
    gone = next(product["id"] for product in state["products"] if product["stock"] == 0)
    with pytest.raises(ValueError, match=r"^0 of"):
        shop.add_to_cart(gone, state=state)
    with pytest.raises(ValueError, match=f"in it is: {inside}"):
        shop.remove_from_cart(gone, state=state)
    with pytest.raises(ValueError, match="these can: SAVE"):
        shop.checkout(HOME, voucher="FREE", state=state)
    with pytest.raises(ValueError, match="lacks street"):
        shop.checkout({**HOME, "street": " "}, state=state)
    assert state == shop.initial_state(4)
    shop.remove_from_cart(inside, state=state)
    with pytest.raises(ValueError, match="cart is empty"):
        shop.checkout(HOME, state=state)


def test_orders_go_from_one_status_to_the_next() -> None:
    state = orders.initial_state(5)
    by_status = {order["status"]: order for order in state["orders"]}
    waiting, shipped, delivered = (by_status[status]["id"] for status in ("processing", "shipped", "delivered"))
    with pytest.raises(ValueError, match="only orders that are processing can be cancelled"):
        orders.cancel_order(shipped, state=state)
    assert orders.change_delivery_address(waiting, HOME, state=state)["address"] == HOME
    total = orders.track_order(waiting, state=state)["total"]
    assert orders.cancel_order(waiting, state=state)["refund"] == total
    assert [order["id"] for order in orders.list_orders("cancelled", state=state)["orders"]] == [waiting]
    by_status["delivered"]["delivery_date"] = state["now"][:10]
    assert orders.return_order(delivered, "damaged", state=state)["returned"] == delivered
    with pytest.raises(ValueError, match="is returned"):
        orders.return_order(delivered, "damaged", state=state)


def test_expenses_are_compared_with_budgets() -> None:
    state = expenses.initial_state(6)
    month = state["now"][:7]
    before = {row["category"]: row for row in expenses.compare_with_budget(state=state)["categories"]}
    expenses.set_budget("travel", 500, state=state)
    spent = expenses.add_expense(19.99, "travel", state=state)
    row = {row["category"]: row for row in expenses.compare_with_budget(month, state=state)["categories"]}["travel"]
    assert row["spent"] == pytest.approx(before["travel"]["spent"] + 19.99)
    assert row["left"] == pytest.approx(500 - row["spent"])
    expenses.delete_expense(spent["id"], state=state)
    found = expenses.list_expenses(category="travel", state=state)
    assert found["total"] == pytest.approx(sum(expense["amount"] for expense in found["expenses"]))
    assert spent["id"] not in [expense["id"] for expense in found["expenses"]]

"""What people want of the shop, of their orders and of their book of expenses."""

from __future__ import annotations

from datetime import date

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call, refused
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.wording import each, wording


@scenario("multi_step", "shop", en="put products into your cart", zh="把商品加入购物车")
def product_into_the_cart(draw: Draw) -> Goal:
    state = draw.states["shop"]
    inside = {item["product_id"] for item in state["cart_items"]}
    product = draw.one([each for each in state["products"] if each["stock"] > 0 and each["id"] not in inside])
    quantity = draw.number(1, min(product["stock"], 5))
    found = call("search_products", text=product["name"])
    added = call("add_to_cart", product_id=found["products"].where(name=product["name"])["id"], quantity=quantity)
    return Goal(
        [
            Request(
                asked=wording(
                    ("put {quantity} of the {product} into my cart", "add {quantity} × {product} to the cart"),
                    ("把 {quantity} 件 {product} 加入购物车", "购物车里加 {quantity} 个 {product}"),
                ),
                values={"quantity": quantity, "product": product["name"]},
                steps=[[found], [added]],
                told=wording(
                    ("{quantity} × {product} is in your cart. The total is {total} EUR.",),
                    ("已加入 {quantity} 件 {product}，购物车合计 {total} EUR。",),
                ),
                results={"total": added["total"]},
            )
        ],
        {f"shop/cart_items/{len(state['cart_items'])}": {"product_id": product["id"], "quantity": quantity}},
    )


@scenario("multi_turn", "shop", en="look into your cart and buy what is in it", zh="查看购物车并结账")
def look_and_check_out(draw: Draw) -> Goal:
    state = draw.states["shop"]
    street, city, code = draw.one(
        (
            ("12 Linden Street", "Berlin", "10117"),
            ("7 Hill Road", "London", "NW3 1AA"),
            ("35 Rue Verte", "Paris", "75011"),
        )
    )
    payment, chinese = draw.one((("card", "银行卡（card）"), ("invoice", "发票（invoice）")))
    address = {"street": street, "city": city, "postal_code": code}
    cart, bought = call("view_cart"), call("checkout", address=address, payment=payment)
    (item,) = state["cart_items"]
    number = next(place for place, each in enumerate(state["products"]) if each["id"] == item["product_id"])
    return Goal(
        [
            Request(
                asked=wording(
                    ("What is in my shopping cart?", "show me my cart"), ("我的购物车里有什么？", "看一下购物车")
                ),
                steps=[[cart]],
                told=wording(
                    ("In your cart: {items}. The total is {total} EUR.",), ("购物车里有：{items}，合计 {total} EUR。",)
                ),
                results={"items": each(cart["items"], "{quantity} × {name}"), "total": cart["total"]},
            ),
            Request(
                asked=wording(
                    (f"buy it and pay by {payment}; it goes to {{street}}, {{code}} {{city}}",),
                    (f"下单，用{chinese}支付，寄到 {{street}}，{{code}} {{city}}",),
                ),
                values={"street": street, "city": city, "code": code},
                steps=[[bought]],
                told=wording(
                    ("Done. You pay {total} EUR, and the purchase is {id}.",),
                    ("已下单，共 {total} EUR，订单号 {id}。",),
                ),
                results={"total": bought["total"], "id": bought["id"]},
            ),
        ],
        {
            "shop/cart_items/0": ANY,
            f"shop/products/{number}/stock": state["products"][number]["stock"] - item["quantity"],
            "shop/purchases/0": {"address": address, "payment": payment},
            "shop/next_id": ANY,
        },
    )


@scenario("single", "orders", en="track orders", zh="查询订单")
def where_an_order_is(draw: Draw) -> Goal:
    order = draw.one(draw.states["orders"]["orders"])
    tracked = call("track_order", order_id=order["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "tell me where my order[ {id}] is",
                        "What is the status of my order {id}?",
                        "track the order[ {id}]",
                    ),
                    ("查一下订单[ {id} ]到哪里了", "订单 {id} 是什么状态？"),
                ),
                values={"id": order["id"]},
                steps=[[tracked]],
                told=wording(
                    ("Order {id} is {status}; it is at {location}, and its day of delivery is {day}.",),
                    ("订单 {id} 的状态是 {status}，位于 {location}，送达日期为 {day}。",),
                ),
                results={"status": tracked["status"], "location": tracked["location"], "day": tracked["delivery_date"]},
                answers=(tracked["status"], tracked["delivery_date"]),
                omissible={"id": Omissible("the number of the order", "订单号")},
            )
        ]
    )


@scenario("parallel", "orders", en="track orders", zh="查询订单")
def where_several_orders_are(draw: Draw) -> Goal:
    chosen = draw.some(draw.states["orders"]["orders"], draw.one((2, 3)))
    calls = [call("track_order", order_id=order["id"]) for order in chosen]
    return Goal(
        [
            Request(
                asked=wording(
                    ("track my orders {ids}", "Where are my orders {ids}?"),
                    ("查询订单 {ids} 的物流", "订单 {ids} 都到哪里了？"),
                ),
                values={"ids": [order["id"] for order in chosen]},
                steps=[calls],
                told=wording(("Your orders: {orders}.",), ("订单情况如下：{orders}。",)),
                results={
                    "orders": each(
                        [made.result for made in calls],
                        "{id} is {status}, {delivery_date}",
                        "订单 {id} 的状态是 {status}，送达日期 {delivery_date}",
                    )
                },
                answers=[made["status"] for made in calls],
            )
        ]
    )


@scenario("error_correction", "orders", en="cancel or return orders", zh="取消或退回订单")
def cancel_or_send_back(draw: Draw) -> Goal:
    state = draw.states["orders"]
    today = date.fromisoformat(state["now"][:10])
    late = [
        order
        for order in state["orders"]
        if order["status"] == "delivered" and (today - date.fromisoformat(order["delivery_date"])).days <= 14
    ]
    order = draw.one(late)
    returned = call("return_order", order_id=order["id"], reason="not needed")
    return Goal(
        [
            Request(
                asked=wording(
                    "cancel my order {id}; if it has been delivered already, send it back as not needed",
                    "取消订单 {id}，如果已经送达就以 not needed 为由退货",
                ),
                values={"id": order["id"]},
                steps=[[refused("cancel_order", order_id=order["id"])], [returned]],
                told=wording(
                    ("{id} was delivered already, so it goes back. You get {refund} EUR.",),
                    ("订单 {id} 已送达，已为您办理退货，退款 {refund} EUR。",),
                ),
                results={"refund": returned["refund"]},
            )
        ],
        {f"orders/orders/{state['orders'].index(order)}/status": "returned"},
    )


@scenario("single", "expenses", en="note expenses", zh="记账")
def new_expense(draw: Draw) -> Goal:
    state = draw.states["expenses"]
    cents = draw.number(150, 9_900)
    category = draw.one(("food", "transport", "home", "health", "leisure", "travel"))
    made = call("add_expense", amount=cents / 100, category=category)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "note that I spent[ {amount} euros] on {category}",
                        "add an expense[ of {amount} EUR] for {category}",
                    ),
                    ("记一笔[ {amount} 欧元的] {category} 支出", "记账：{category}[，{amount} 欧元]"),
                ),
                values={"amount": cents / 100, "category": category},
                steps=[[made]],
                told=wording(
                    ("I noted {amount} EUR for {category} ({id}).",), ("已记录 {category} 支出 {amount} EUR（{id}）。",)
                ),
                results={"id": made["id"]},
                omissible={"amount": Omissible("the amount", "金额")},
            )
        ],
        {
            f"expenses/expenses/{len(state['expenses'])}": {"category": category, "amount_cents": cents},
            "expenses/next_id": ANY,
        },
    )


@scenario("multi_turn", "expenses", en="look into your expenses", zh="查询您的支出")
def look_and_set_a_budget(draw: Draw) -> Goal:
    state = draw.states["expenses"]
    category = draw.one(sorted({expense["category"] for expense in state["expenses"]}))
    place = next(place for place, budget in enumerate(state["budgets"]) if budget["category"] == category)
    limit = draw.number(5, 90) * 10
    if state["budgets"][place]["limit_cents"] == limit * 100:
        raise NotPossible
    listed, changed = call("list_expenses", category=category), call("set_budget", category=category, limit=limit)
    return Goal(
        [
            Request(
                asked=wording(
                    ("How much have I spent on {category}?", "add up what I spent on {category}"),
                    ("我在 {category} 上花了多少钱？", "统计一下 {category} 的支出"),
                ),
                values={"category": category},
                steps=[[listed]],
                told=wording(("You spent {total} EUR on {category}.",), ("{category} 支出共 {total} EUR。",)),
                results={"total": listed["total"]},
            ),
            Request(
                asked=wording(
                    ("set the budget for that to {limit} euros a month", "allow {limit} euros a month for it"),
                    ("把它的每月预算设为 {limit} 欧元",),
                ),
                values={"limit": limit},
                steps=[[changed]],
                told=wording(
                    ("The budget for {category} is {limit} EUR now.",), ("{category} 的预算已设为 {limit} EUR。",)
                ),
                results={"category": changed["category"]},
            ),
        ],
        {f"expenses/budgets/{place}/limit_cents": limit * 100},
    )

"""What people want of the bank."""

from __future__ import annotations

from typing import Any

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import PlannedCall, call, refused
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.wording import each, wording

ACCOUNT = Omissible("the account that should pay", "付款账户")
AMOUNT = Omissible("the amount", "金额")


def _transfer_changes(state: dict[str, Any], source: dict[str, Any], cents: int, target: Any = None) -> dict[str, Any]:
    """What a transfer changes; `target` is the account that receives it, None a payee."""
    number, accounts = len(state["transactions"]), state["accounts"]
    changes: dict[str, Any] = {
        f"bank/accounts/{accounts.index(source)}/balance_cents": source["balance_cents"] - cents,
        f"bank/transactions/{number}": {"account_id": source["id"], "amount_cents": -cents},
        "bank/next_id": ANY,
    }
    if target is not None:
        changes[f"bank/accounts/{accounts.index(target)}/balance_cents"] = target["balance_cents"] + cents
        changes[f"bank/transactions/{number + 1}"] = {"account_id": target["id"], "amount_cents": cents}
    return changes


@scenario("single", "bank", en="look into your accounts", zh="查询您的账户")
def account_balance(draw: Draw) -> Goal:
    account = draw.one(draw.states["bank"]["accounts"])
    accounts = call("list_accounts")
    found = accounts["accounts"].where(name=account["name"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "tell me how much money is in my {account} account",
                        "What is the balance of my {account} account?",
                        "How much do I have in {account}?",
                        "check the balance of the {account} account",
                    ),
                    (
                        "告诉我 {account} 账户里有多少钱",
                        "我的 {account} 账户余额是多少？",
                        "查一下 {account} 账户的余额",
                    ),
                ),
                values={"account": account["name"]},
                steps=[[accounts]],
                told=wording(
                    (
                        "Your {account} account holds {balance} {currency}.",
                        "There are {balance} {currency} in your {account} account.",
                    ),
                    ("您的 {account} 账户余额为 {balance} {currency}。", "{account} 账户里有 {balance} {currency}。"),
                ),
                results={"balance": found["balance"], "currency": found["currency"]},
                answers=(found["balance"],),
            )
        ]
    )


@scenario("multi_step", "bank", en="send money", zh="转账")
def pay_a_person(draw: Draw) -> Goal:
    state = draw.states["bank"]
    account, payee = draw.one(state["accounts"]), draw.one(state["payees"])
    cents = draw.number(5, min(account["balance_cents"], 60_000) // 100) * 100
    accounts, payees = call("list_accounts"), call("list_payees", name=payee["name"])
    made = call(
        "transfer_money",
        from_account_id=accounts["accounts"].where(name=account["name"])["id"],
        to_id=payees["payees"][0]["id"],
        amount=cents // 100,
    )
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "send {amount} {currency} to {name}[ from my {account} account]",
                        "transfer {amount} {currency} to {name}[, using the {account} account]",
                        "pay {name} {amount} {currency}[ out of {account}]",
                    ),
                    (
                        "[从 {account} 账户]给{name}转 {amount} {currency}",
                        "[用 {account} 账户]付给{name} {amount} {currency}",
                    ),
                ),
                values={
                    "amount": cents // 100,
                    "currency": account["currency"],
                    "name": payee["name"],
                    "account": account["name"],
                },
                steps=[[accounts, payees], [made]],
                told=wording(
                    (
                        "I sent {amount} {currency} to {name}. Your {account} account now holds {balance} {currency}.",
                        "Done: {name} gets {amount} {currency}, and {balance} {currency} are left in {account}.",
                    ),
                    (
                        "已向{name}转账 {amount} {currency}，{account} 账户余额为 {balance} {currency}。",
                        "转账完成：付给{name} {amount} {currency}，{account} 账户还剩 {balance} {currency}。",
                    ),
                ),
                results={"balance": made["account"]["balance"]},
                omissible={"account": ACCOUNT},
            )
        ],
        _transfer_changes(state, account, cents),
    )


@scenario("multi_step", "bank", en="move money between your accounts", zh="在您的账户之间转账")
def move_money(draw: Draw) -> Goal:
    state = draw.states["bank"]
    same = [account for account in state["accounts"] if account["currency"] == "EUR"]
    source, target = draw.some(same, 2)
    cents = draw.number(10, min(source["balance_cents"], 200_000) // 100) * 100
    accounts = call("list_accounts")
    listed = accounts["accounts"]
    made = call(
        "transfer_money",
        from_account_id=listed.where(name=source["name"])["id"],
        to_id=listed.where(name=target["name"])["id"],
        amount=cents // 100,
    )
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "move[ {amount} euros] from my {source} account to {target}",
                        "transfer[ {amount} EUR] from {source} to {target}",
                        "put[ {amount} euros] from my {source} account into my {target} account",
                    ),
                    (
                        "从 {source} 账户[转 {amount} 欧元]到 {target} 账户",
                        "把钱[（{amount} 欧元）]从 {source} 账户转到 {target} 账户",
                    ),
                ),
                values={"amount": cents // 100, "source": source["name"], "target": target["name"]},
                steps=[[accounts], [made]],
                told=wording(
                    (
                        "I moved {amount} EUR from {source} to {target}; {balance} EUR are left in {source}.",
                        "Done. {amount} EUR went from {source} to {target}, and {source} now holds {balance} EUR.",
                    ),
                    ("已从 {source} 向 {target} 转入 {amount} EUR，{source} 账户余额为 {balance} EUR。",),
                ),
                results={"balance": made["account"]["balance"]},
                omissible={"amount": AMOUNT},
            )
        ],
        _transfer_changes(state, source, cents, target),
    )


def _bill_paid(state: dict[str, Any], bill: dict[str, Any], account: dict[str, Any]) -> dict[str, Any]:
    place = state["bills"].index(bill)
    changes = _transfer_changes(state, account, bill["amount_cents"])
    return {**changes, f"bank/bills/{place}/paid": True}


@scenario("multi_step", "bank", en="pay bills", zh="支付账单")
def pay_a_bill(draw: Draw) -> Goal:
    state = draw.states["bank"]
    bill = draw.one(state["bills"])
    usable = [
        account
        for account in state["accounts"]
        if account["currency"] == "EUR" and account["balance_cents"] >= bill["amount_cents"]
    ]
    account = draw.one(usable)
    bills, accounts = call("list_bills"), call("list_accounts")
    found = bills["bills"].where(**{"from": bill["from"]})
    paid = call("pay_bill", bill_id=found["id"], from_account_id=accounts["accounts"].where(name=account["name"])["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "pay the bill from {sender}[ with my {account} account]",
                        "settle the {sender} bill[ from {account}]",
                        "pay what I owe {sender}[, out of my {account} account]",
                    ),
                    ("[用 {account} 账户]支付 {sender} 的账单", "[从 {account} 账户]把 {sender} 的账单付掉"),
                ),
                values={"sender": bill["from"], "account": account["name"]},
                steps=[[bills, accounts], [paid]],
                told=wording(
                    (
                        "The bill from {sender} over {amount} EUR is paid. {balance} EUR are left in {account}.",
                        "I paid {sender} {amount} EUR from {account}, which now holds {balance} EUR.",
                    ),
                    ("已用 {account} 账户支付 {sender} 的账单 {amount} EUR，余额为 {balance} EUR。",),
                ),
                results={"amount": found["amount"], "balance": paid["account"]["balance"]},
                omissible={"account": ACCOUNT},
            )
        ],
        _bill_paid(state, bill, account),
    )


@scenario("multi_turn", "bank", en="look into your bills and pay them", zh="查询和支付您的账单")
def bills_one_by_one(draw: Draw) -> Goal:
    state = draw.states["bank"]
    unpaid = sorted((bill for bill in state["bills"] if not bill["paid"]), key=lambda bill: int(bill["amount_cents"]))
    account = draw.one([each for each in state["accounts"] if each["currency"] == "EUR"])
    largest = draw.random.random() < 0.5
    if len(unpaid) < 2:
        raise NotPossible
    bill = unpaid[-1] if largest else unpaid[0]
    bills, accounts = call("list_bills"), call("list_accounts")
    listed = bills["bills"]
    chosen = listed.greatest("amount") if largest else listed.least("amount")
    paid = call(
        "pay_bill", bill_id=chosen["id"], from_account_id=accounts["accounts"].where(name=account["name"])["id"]
    )
    which = ("largest", "金额最大") if largest else ("smallest", "金额最小")
    return Goal(
        [
            Request(
                asked=wording(
                    ("show me the bills I haven't paid yet", "Which bills are still open?", "list my unpaid bills"),
                    ("列出我还没付的账单", "我还有哪些账单没有支付？"),
                ),
                steps=[[bills]],
                told=wording(
                    ("These bills are open: {bills}.", "You still have to pay {bills}."),
                    ("未支付的账单有：{bills}。", "您还需要支付：{bills}。"),
                ),
                results={
                    "bills": each(listed, "{from} ({amount} EUR, due {due})", "{from}（{amount} EUR，{due} 到期）")
                },
            ),
            Request(
                asked=wording(
                    (
                        f"pay the {which[0]} one from my {{account}} account",
                        f"use {{account}} to pay the {which[0]} of them",
                    ),
                    (f"用 {{account}} 账户支付{which[1]}的那一笔", f"从 {{account}} 账户付掉{which[1]}的账单"),
                ),
                values={"account": account["name"]},
                steps=[[accounts], [paid]],
                told=wording(
                    (
                        "I paid {sender} {amount} EUR. Your {account} account now holds {balance} EUR.",
                        "Done: {amount} EUR went to {sender}, and {balance} EUR are left in {account}.",
                    ),
                    ("已向 {sender} 支付 {amount} EUR，{account} 账户余额为 {balance} EUR。",),
                ),
                results={
                    "sender": chosen["from"],
                    "amount": chosen["amount"],
                    "balance": paid["account"]["balance"],
                },
            ),
        ],
        _bill_paid(state, bill, account),
    )


@scenario("error_correction", "bank", en="send money", zh="转账")
def pay_from_the_account_that_can(draw: Draw) -> Goal:
    state = draw.states["bank"]
    checking, savings = state["accounts"][:2]
    payee = draw.one(state["payees"])
    cents = draw.number(checking["balance_cents"] // 100 + 1, savings["balance_cents"] // 100) * 100
    accounts, payees = call("list_accounts"), call("list_payees", name=payee["name"])
    listed = accounts["accounts"]

    def transfer(account: dict[str, Any]) -> PlannedCall:
        source = listed.where(name=account["name"])["id"]
        return call("transfer_money", from_account_id=source, to_id=payees["payees"][0]["id"], amount=cents // 100)

    made = transfer(savings)
    failing = refused("transfer_money", **transfer(checking).arguments)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "send {name} {amount} euros from {first}, or from {second} if there is not enough",
                        "transfer {amount} EUR to {name}; take {second} only if {first} does not have enough",
                    ),
                    (
                        "从 {first} 账户给{name}转 {amount} 欧元，余额不够的话就从 {second} 账户转",
                        "给{name}转 {amount} 欧元，先用 {first} 账户，不够再用 {second} 账户",
                    ),
                ),
                values={
                    "amount": cents // 100,
                    "name": payee["name"],
                    "first": checking["name"],
                    "second": savings["name"],
                },
                steps=[[accounts, payees], [failing], [made]],
                told=wording(
                    (
                        "There was not enough in {first}, so I sent {name} {amount} EUR from {second}, which now holds "
                        "{balance} EUR.",
                        "{first} had too little. {name} got {amount} EUR from {second}; that leaves {balance} EUR.",
                    ),
                    ("{first} 账户余额不足，已改从 {second} 账户向{name}转账 {amount} EUR，余额为 {balance} EUR。",),
                ),
                results={"balance": made["account"]["balance"]},
            )
        ],
        _transfer_changes(state, savings, cents),
    )


@scenario("error_correction", "bank", en="send money", zh="转账")
def less_money_than_meant(draw: Draw) -> Goal:
    state = draw.states["bank"]
    account, payee = state["accounts"][0], draw.one(state["payees"])
    too_much = draw.number(account["balance_cents"] // 100 + 1, account["balance_cents"] // 100 + 9_000)
    cents = draw.number(10, account["balance_cents"] // 200) * 100
    accounts, payees = call("list_accounts"), call("list_payees", name=payee["name"])
    source = accounts["accounts"].where(name=account["name"])
    parties = {"from_account_id": source["id"], "to_id": payees["payees"][0]["id"]}
    made = call("transfer_money", **parties, amount=cents // 100)
    return Goal(
        [
            Request(
                asked=wording(
                    "transfer {amount} euros from my {account} account to {name}",
                    "从 {account} 账户给{name}转 {amount} 欧元",
                ),
                values={"amount": too_much, "account": account["name"], "name": payee["name"]},
                steps=[[accounts, payees], [refused("transfer_money", **parties, amount=too_much)]],
                told=wording(
                    (
                        "That did not work: your {account} account holds only {balance} EUR. How much should I send?",
                        "The bank refused it, since there are only {balance} EUR in {account}. Shall I send less?",
                    ),
                    ("转账未成功：{account} 账户余额只有 {balance} EUR。要改成多少？",),
                ),
                results={"balance": source["balance"]},
            ),
            Request(
                asked=wording(
                    ("Then send {less} euros instead.", "OK, make it {less} euros."),
                    ("那就转 {less} 欧元。", "改成 {less} 欧元吧。"),
                ),
                values={"less": cents // 100},
                steps=[[made]],
                told=wording(
                    (
                        "Done: {less} EUR are sent, and {balance} EUR are left.",
                        "I sent {less} EUR; the balance is now {balance} EUR.",
                    ),
                    ("已转账 {less} EUR，账户余额为 {balance} EUR。",),
                ),
                results={"balance": made["account"]["balance"]},
            ),
        ],
        _transfer_changes(state, account, cents),
    )

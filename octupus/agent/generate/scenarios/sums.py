"""What people want of currencies and of arithmetic."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.scenarios.cast import cities
from octupus.agent.generate.wording import each, wording


@scenario("single", "currency", en="convert currencies", zh="换算货币")
def convert_money(draw: Draw) -> Goal:
    source, target = draw.some([rate["currency"] for rate in draw.states["currency"]["rates"]], 2)
    amount = draw.number(2, 400) * draw.one((5, 10, 1))
    made = call("convert_currency", amount=amount, from_currency=source, to_currency=target)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "convert {amount} {source}[ into {target}]",
                        "work out what {amount} {source} is[ in {target}]",
                    ),
                    ("把 {amount} {source} 换算[成 {target}]", "算一下 {amount} {source} 可以换多少[ {target}]"),
                ),
                values={"amount": amount, "source": source, "target": target},
                steps=[[made]],
                told=wording(
                    ("{amount} {source} is {converted} {target}.", "That makes {converted} {target}."),
                    ("{amount} {source} 等于 {converted} {target}。",),
                ),
                results={"converted": made["amount"]},
                answers=(made["amount"],),
                omissible={"target": Omissible("the currency you want", "目标货币")},
            )
        ]
    )


@scenario("parallel", "currency", en="look up exchange rates", zh="查询汇率")
def several_rates(draw: Draw) -> Goal:
    source, *targets = draw.some([rate["currency"] for rate in draw.states["currency"]["rates"]], draw.one((3, 4)))
    calls = [call("get_exchange_rate", from_currency=source, to_currency=target) for target in targets]
    rates = [made["rate"] for made in calls]
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "tell me the exchange rates from {source} to {targets}",
                        "What is one {source} worth in {targets}?",
                    ),
                    ("告诉我 {source} 兑 {targets} 的汇率", "一 {source} 分别值多少 {targets}？"),
                ),
                values={"source": source, "targets": targets},
                steps=[calls],
                told=wording(
                    ("The rates from {source} to {targets} are {rates}.",),
                    ("{source} 兑 {targets} 的汇率分别为 {rates}。",),
                ),
                results={"rates": rates},
                answers=rates,
            )
        ]
    )


@scenario("multi_step", "currency", en="convert currencies", zh="换算货币")
def money_for_a_journey(draw: Draw) -> Goal:
    city = draw.one(cities(draw))
    source = draw.one(
        [rate["currency"] for rate in draw.states["currency"]["rates"] if rate["currency"] != city.currency]
    )
    amount = draw.number(5, 200) * 10
    used = call("get_currency_of_city", city=city.name)
    made = call("convert_currency", amount=amount, from_currency=source, to_currency=used["currency"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "I'm travelling to {city}. What are {amount} {source} in the money they use there?",
                        "convert {amount} {source} into the local currency of {city}",
                    ),
                    (
                        "我要去{city}，{amount} {source} 能换多少当地货币？",
                        "把 {amount} {source} 换算成{city}的当地货币",
                    ),
                ),
                values={"city": city.name, "amount": amount, "source": source},
                steps=[[used], [made]],
                told=wording(
                    ("In {city} people pay in {currency}: {amount} {source} is {converted} {currency}.",),
                    ("{city}使用 {currency}，{amount} {source} 相当于 {converted} {currency}。",),
                ),
                results={"currency": used["currency"], "converted": made["amount"]},
                answers=(made["amount"],),
            )
        ]
    )


@scenario("single", "calculator", en="do sums", zh="做计算")
def share_a_bill(draw: Draw) -> Goal:
    total, people, tip = draw.number(30, 400), draw.number(3, 12), draw.one((5, 8, 10, 12, 15, 20))
    made = call("split_bill", total=total, people=people, tip_percent=tip)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "split a restaurant bill of {total} euros[ among {people} people], with a tip of {tip} percent",
                        "work out what each pays[ if {people} people share it] for a bill of {total} plus {tip}% tip",
                    ),
                    (
                        "[{people} 个人]分摊 {total} 欧元的账单，小费 {tip}%，算一下每人付多少",
                        "算一下账单 {total} 欧元加 {tip}% 小费[由 {people} 个人平分]每人要付多少",
                    ),
                ),
                values={"total": total, "people": people, "tip": tip},
                steps=[[made]],
                told=wording(
                    ("With the tip it comes to {sum}, so each pays {each}.", "Each of you pays {each}; {sum} in all."),
                    ("加上小费共 {sum}，每人付 {each}。",),
                ),
                results={"sum": made["total_with_tip"], "each": made["each"]},
                answers=(made["each"],),
                omissible={"people": Omissible("the number of people who share the bill", "分摊的人数")},
            )
        ]
    )


@scenario("parallel", "calculator", en="do sums", zh="做计算")
def several_factorisations(draw: Draw) -> Goal:
    numbers = sorted({draw.number(50, 99_999) for _ in range(draw.one((2, 3)))})
    if len(numbers) < 2:
        raise NotPossible
    calls = [call("find_prime_factors", number=number) for number in numbers]
    return Goal(
        [
            Request(
                asked=wording(
                    ("find the prime factors of {numbers}", "What are the prime factors of {numbers}?"),
                    ("把 {numbers} 分别分解成质因数", "{numbers} 的质因数分别是什么？"),
                ),
                values={"numbers": numbers},
                steps=[calls],
                told=wording(("The factors are: {factors}.",), ("质因数分别是：{factors}。",)),
                results={"factors": each([made.result for made in calls], "{number}: {factors}")},
                answers=[made["factors"] for made in calls],
            )
        ]
    )

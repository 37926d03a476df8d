"""What people want of their address book."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import cities, named, people
from octupus.agent.generate.wording import each, wording

CONTACT_FACTS = {
    "email": ("e-mail address", "邮箱地址"),
    "phone": ("telephone number", "电话号码"),
    "birthday": ("date of birth", "出生日期"),
    "city": ("city of residence", "居住城市"),
}


@scenario("single", "contacts", en="look people up", zh="查询联系人")
def fact_of_a_contact(draw: Draw) -> Goal:
    person = draw.one(draw.states["contacts"]["contacts"])
    key = draw.one(list(CONTACT_FACTS))
    english, chinese = CONTACT_FACTS[key]
    found = call("find_contact", name=named(draw, person))
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        f"look up {{name}}'s {english} in my contacts",
                        f"What is {{name}}'s {english}?",
                        f"find the {english}[ of {{name}}]",
                    ),
                    (
                        f"查一下{{name}}的{chinese}",
                        f"{{name}}的{chinese}是什么？",
                        f"在通讯录里查找[{{name}}的]{chinese}",
                    ),
                ),
                values={"name": named(draw, person)},
                steps=[[found]],
                told=wording(
                    (f"{{name}}'s {english} is {{fact}}.", f"The {english} of {{name}} is {{fact}}."),
                    (f"{{name}}的{chinese}是 {{fact}}。",),
                ),
                results={"fact": found["contacts"][0][key]},
                answers=(found["contacts"][0][key],),
                omissible={"name": Omissible("the name of the person", "联系人的姓名")},
            )
        ]
    )


@scenario("parallel", "contacts", en="look people up", zh="查询联系人")
def fact_of_several_contacts(draw: Draw) -> Goal:
    chosen = draw.some(draw.states["contacts"]["contacts"], draw.one((2, 3)))
    key = draw.one(("email", "phone", "birthday"))
    english, chinese = CONTACT_FACTS[key]
    calls = [call("find_contact", name=named(draw, person)) for person in chosen]
    found = [made["contacts"][0] for made in calls]
    return Goal(
        [
            Request(
                asked=wording(
                    (f"look up the {english} of {{names}}", f"What is the {english} of {{names}}?"),
                    (f"查一下{{names}}的{chinese}", f"{{names}}的{chinese}分别是什么？"),
                ),
                values={"names": [named(draw, person) for person in chosen]},
                steps=[calls],
                told=wording(("Here they are: {facts}.", "I found: {facts}."), ("查到了：{facts}。",)),
                results={"facts": each(found, f"{{name}} – {{{key}}}", f"{{name}}：{{{key}}}")},
                answers=[person[key] for person in found],
            )
        ]
    )


@scenario("single", "contacts", en="add people to your address book", zh="添加联系人")
def new_contact(draw: Draw) -> Goal:
    state = draw.states["contacts"]
    known = {contact["email"] for contact in state["contacts"]}
    person = draw.one([each for each in people(draw) if each["email"] not in known])
    group = draw.one((("work", "work", "工作"), ("friends", "friends", "朋友"), ("family", "family", "家人")))
    made = call("add_contact", name=person["called"], email=person["email"], group=group[0])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        f"add {{name}}[, {{email}},] to my contacts, in the group {group[1]}",
                        f"save {{name}}[ with the address {{email}}] in my address book under {group[1]}",
                    ),
                    (f"把{{name}}[（邮箱 {{email}}）]加到通讯录的{group[2]}组（{group[0]}）",),
                ),
                values={"name": person["called"], "email": person["email"]},
                steps=[[made]],
                told=wording(
                    ("{name} ({email}) is in your contacts now, as {id}.", "I saved {name} with the address {email}."),
                    ("已添加联系人{name}（{email}），编号 {id}。",),
                ),
                results={"id": made["id"]},
                omissible={"email": Omissible("the e-mail address", "邮箱地址")},
            )
        ],
        {
            f"contacts/contacts/{len(state['contacts'])}": {"name": person["called"], "email": person["email"]},
            "contacts/next_id": ANY,
        },
    )


@scenario("multi_step", "contacts", en="change your address book", zh="修改通讯录")
def somebody_has_moved(draw: Draw) -> Goal:
    state = draw.states["contacts"]
    person = draw.one(state["contacts"])
    city = draw.one([each for each in cities(draw) if each.english != person["city"]])
    found = call("find_contact", name=named(draw, person))
    changed = call("update_contact", contact_id=found["contacts"][0]["id"], city=city.name)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "note that {name} has moved to {city}",
                        "{name} now lives in {city}. Please change that in my contacts.",
                        "change {name}'s city to {city} in my address book",
                    ),
                    ("{name}搬到{city}了，请更新通讯录。", "把通讯录里{name}的城市改成{city}"),
                ),
                values={"name": named(draw, person), "city": city.name},
                steps=[[found], [changed]],
                told=wording(
                    (
                        "Your contacts now say that {name} lives in {city}.",
                        "I changed {name}'s city from {old} to {city}.",
                    ),
                    ("已将{name}的城市更新为{city}（原为 {old}）。",),
                ),
                results={"old": found["contacts"][0]["city"]},
            )
        ],
        {f"contacts/contacts/{state['contacts'].index(person)}/city": city.name},
    )

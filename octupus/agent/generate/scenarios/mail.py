"""What people want of their mail, alone and with contacts, notes and the calendar."""

from __future__ import annotations

from typing import Any

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import named
from octupus.agent.generate.wording import each, wording

LETTERS = (
    ("Lunch", "Shall we have lunch together on Thursday?", "午饭", "周四一起吃午饭好吗？"),
    ("Minutes", "The minutes of the meeting are ready to read.", "会议纪要", "会议纪要已经写好，可以看了。"),
    ("Thank you", "Thank you very much for your help last week.", "感谢", "非常感谢你上周的帮助。"),
    ("New date", "We have to move the meeting to next Tuesday.", "改期", "会议要改到下周二。"),
    ("Tickets", "I have two tickets for the concert. Will you come along?", "演出票", "我有两张音乐会的票，一起去吗？"),
    ("Keys", "I left the keys with the neighbour.", "钥匙", "我把钥匙放在邻居那里了。"),
)
ANSWERS = (
    ("Yes, gladly!", "好的，没问题！"),
    ("Sorry, I have no time this week.", "抱歉，我这周没有时间。"),
    ("I will look into it tomorrow.", "我明天看一下。"),
    ("Thanks for letting me know.", "谢谢你告诉我。"),
)


def _letter(draw: Draw) -> tuple[str, str]:
    letter = draw.one(LETTERS)
    return letter[:2] if draw.language == "en" else letter[2:]


def _sent(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {f"mail/mails/{len(state['mails'])}": {"folder": "sent", **fields}, "mail/next_id": ANY}


@scenario("multi_step", "contacts", "mail", en="send mails", zh="发送邮件", like=("messages",))
def mail_to_a_contact(draw: Draw) -> Goal:
    person = draw.one(draw.states["contacts"]["contacts"])
    subject, body = _letter(draw)
    found = call("find_contact", name=named(draw, person))
    made = call("send_mail", to=[found["contacts"][0]["email"]], subject=subject, body=body)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'send {name} a mail with the subject "{subject}" and the text "{body}"',
                        'write a mail to {name}, subject "{subject}"[, that says "{body}"]',
                        'mail {name}[: "{body}"], with "{subject}" as the subject',
                    ),
                    (
                        "给{name}发一封邮件，主题是“{subject}”[，内容是“{body}”]",
                        "写邮件给{name}，主题“{subject}”[，正文“{body}”]",
                    ),
                ),
                values={"name": named(draw, person), "subject": subject, "body": body},
                steps=[[found], [made]],
                told=wording(
                    ('I sent "{subject}" to {name} at {email}.', "The mail to {name} ({email}) is sent."),
                    ("已向{name}（{email}）发送邮件“{subject}”。", "给{name}的邮件“{subject}”已发到 {email}。"),
                ),
                results={"email": made["to"][0]},
                omissible={"body": Omissible("what the mail should say", "邮件内容")},
            )
        ],
        _sent(draw.states["mail"], to=[person["email"]], subject=subject, body=body),
    )


@scenario("multi_step", "contacts", "mail", en="send mails", zh="发送邮件", like=("messages",))
def mail_to_several(draw: Draw) -> Goal:
    people = draw.some(draw.states["contacts"]["contacts"], 2)
    subject, body = _letter(draw)
    found = [call("find_contact", name=named(draw, person)) for person in people]
    made = call("send_mail", to=[each["contacts"][0]["email"] for each in found], subject=subject, body=body)
    return Goal(
        [
            Request(
                asked=wording(
                    'send one mail to {names}: subject "{subject}", text "{body}"',
                    "给{names}发同一封邮件，主题“{subject}”，内容“{body}”",
                ),
                values={"names": [named(draw, person) for person in people], "subject": subject, "body": body},
                steps=[found, [made]],
                told=wording(
                    ("The mail went to {names} ({emails}).", 'I sent "{subject}" to {emails}.'),
                    ("邮件“{subject}”已发送给{names}（{emails}）。",),
                ),
                results={"emails": made["to"]},
            )
        ],
        _sent(draw.states["mail"], to=[person["email"] for person in people], subject=subject, body=body),
    )


@scenario("multi_turn", "mail", en="look into your mail")
def read_and_answer(draw: Draw) -> Goal:
    state = draw.states["mail"]
    mail = draw.one(state["mails"])
    answer = draw.worded(draw.one(ANSWERS))
    listed = call("search_mails", text=mail["subject"])
    read = call("read_mail", mail_id=listed["mails"].where(subject=mail["subject"])["id"])
    replied = call("reply_to_mail", mail_id=read["id"], body=answer)
    changes = _sent(state, to=[mail["from"]], body=answer)
    if not mail["read"]:
        changes[f"mail/mails/{state['mails'].index(mail)}/read"] = True
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'read me the mail "{subject}"',
                        'What does the mail "{subject}" say?',
                        'open the mail "{subject}"',
                    ),
                    (),
                ),
                values={"subject": mail["subject"]},
                steps=[[listed], [read]],
                told=wording(
                    ('{sender} writes: "{body}"', 'It is from {sender} and says: "{body}"'),
                    (),
                ),
                results={"sender": read["from"], "body": read["body"]},
            ),
            Request(
                asked=wording(
                    ('answer "{answer}"', 'reply with "{answer}"', 'write back: "{answer}"'),
                    (),
                ),
                values={"answer": answer},
                steps=[[replied]],
                told=wording(("Your answer went to {to}.", 'I replied to {to} with "{answer}".'), ()),
                results={"to": replied["to"]},
            ),
        ],
        changes,
    )


@scenario("single", "mail", en="look into your mail")
def mails_in_a_folder(draw: Draw) -> Goal:
    folder = draw.one(("inbox", "archive"))
    unread = draw.random.random() < 0.5
    mails = [
        mail for mail in draw.states["mail"]["mails"] if mail["folder"] == folder and not (unread and mail["read"])
    ]
    mail = draw.one(mails)
    listed = call("list_mails", folder=folder, unread_only=True) if unread else call("list_mails", folder=folder)
    kind = "unread mails" if unread else "mails"
    return Goal(
        [
            Request(
                asked=wording(
                    (f"list the {kind} in my {folder}", f"Which {kind} are in the {folder}?"),
                    (),
                ),
                steps=[[listed]],
                told=wording((f"The {kind} are: {{mails}}.",), ()),
                results={"mails": each(listed["mails"], '"{subject}" from {from}')},
                answers=(mail["subject"],),
            )
        ]
    )


@scenario("multi_step", "mail", en="sort your mail", zh="整理您的邮件")
def put_a_mail_away(draw: Draw) -> Goal:
    state = draw.states["mail"]
    mail = draw.one(state["mails"])
    folder, english, chinese = draw.one(
        (("trash", "the trash", "垃圾箱（trash）"), ("archive", "the archive", "归档（archive）"))
    )
    if mail["folder"] == folder:
        folder, english, chinese = "trash", "the trash", "垃圾箱（trash）"
    found = call("search_mails", text=mail["subject"])
    moved = call("move_mail", mail_id=found["mails"].where(subject=mail["subject"])["id"], folder=folder)
    return Goal(
        [
            Request(
                asked=wording(
                    (f'move the mail "{{subject}}" into {english}', f'put "{{subject}}" into {english}'),
                    (f"把邮件“{{subject}}”移到{chinese}",),
                ),
                values={"subject": mail["subject"]},
                steps=[[found], [moved]],
                told=wording((f'"{{subject}}" is in {english} now.',), (f"邮件“{{subject}}”已移到{chinese}。",)),
            )
        ],
        {f"mail/mails/{state['mails'].index(mail)}/folder": folder},
    )

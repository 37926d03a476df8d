"""What people want of the calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY, GONE
from octupus.agent.generate.links import call, refused
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import day_after, named
from octupus.agent.generate.wording import each, wording

TITLES = (
    ("Dentist", "看牙医"),
    ("Quarterly report", "季度汇报"),
    ("Call with the bank", "与银行通话"),
    ("Swimming", "游泳"),
    ("Choir rehearsal", "合唱排练"),
    ("Flat viewing", "看房"),
    ("Haircut", "理发"),
    ("Guitar lesson", "吉他课"),
    ("Workshop", "研讨会"),
    ("Dinner with the neighbours", "和邻居吃晚饭"),
)


def _free_span(draw: Draw, state: dict[str, Any], minutes: int) -> tuple[str, str]:
    """A time of so many minutes on one of the next days that overlaps no event."""
    spans = []
    for ahead in range(1, 8):
        for hour in range(8, 19):
            start = datetime.fromisoformat(f"{day_after(state, ahead)}T{hour:02d}:00")
            span = (
                start.isoformat(timespec="minutes"),
                (start + timedelta(minutes=minutes)).isoformat(timespec="minutes"),
            )
            if all(event["end"] <= span[0] or span[1] <= event["start"] for event in state["events"]):
                spans.append(span)
    return draw.one(spans)


def _new_event(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {f"calendar/events/{len(state['events'])}": fields, "calendar/next_id": ANY}


@scenario("single", "calendar", en="look into your calendar", zh="查看您的日历", like=("appointments",))
def events_of_a_day(draw: Draw) -> Goal:
    event = draw.one(draw.states["calendar"]["events"])
    day = event["start"][:10]
    listed = call("list_events", from_date=day)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "tell me what is in my calendar on {day}",
                        "What do I have on {day}?",
                        "list my events on {day}",
                        "show me the events[ of {day}]",
                    ),
                    ("看看我 {day} 有什么安排", "我在 {day} 有哪些日程？", "列出[ {day} 的]日程"),
                ),
                values={"day": day},
                steps=[[listed]],
                told=wording(
                    ("On {day} you have: {events}.", "Your calendar for {day} says: {events}."),
                    ("{day} 的日程有：{events}。", "您在 {day} 的安排是：{events}。"),
                ),
                results={"events": each(listed["events"], "{title} ({start} to {end})", "{title}（{start} 至 {end}）")},
                answers=(event["title"],),
                omissible={"day": Omissible("the day", "日期")},
            )
        ]
    )


@scenario(
    "single", "calendar", en="put anything into your calendar", zh="添加日程", like=("appointments", "tasks", "notes")
)
def new_event(draw: Draw) -> Goal:
    state = draw.states["calendar"]
    start, end = _free_span(draw, state, draw.one((30, 60, 90)))
    title = draw.worded(draw.one(TITLES))
    made = call("create_event", title=title, start=start, end=end)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'put "{title}" into my calendar[ from {start}] until {end}',
                        'add an event "{title}" to my calendar, beginning at {start} and ending[ at {end}]',
                        'schedule "{title}"[ from {start}] to {end}',
                    ),
                    (
                        "在日历里添加“{title}”，[从 {start} 开始，]到 {end} 结束",
                        "新建日程“{title}”，{start} 开始[，{end} 结束]",
                        "新建日程“{title}”，时间[从 {start} ]到 {end}",
                    ),
                ),
                values={"title": title, "start": start, "end": end},
                steps=[[made]],
                told=wording(
                    (
                        '"{title}" is in your calendar from {start} to {end}, as {id}.',
                        'I added "{title}" ({id}), {start} to {end}.',
                    ),
                    ("已添加日程“{title}”（{id}），时间为 {start} 至 {end}。",),
                ),
                results={"id": made["id"]},
                omissible={
                    "start": Omissible("the time it begins", "开始时间"),
                    "end": Omissible("the time it ends", "结束时间"),
                },
            )
        ],
        _new_event(state, title=title, start=start, end=end),
    )


@scenario(
    "multi_step", "calendar", "contacts", en="put meetings into your calendar", zh="安排会议", like=("appointments",)
)
def meeting_with_somebody(draw: Draw) -> Goal:
    state = draw.states["calendar"]
    person = draw.one(draw.states["contacts"]["contacts"])
    name = named(draw, person)
    start, end = _free_span(draw, state, draw.one((30, 60)))
    title = draw.worded(draw.one(TITLES))
    found = call("find_contact", name=name)
    made = call("create_event", title=title, start=start, end=end, attendees=[found["contacts"][0]["email"]])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'put "{title}" into my calendar from {start} to {end} and invite {name}',
                        'invite {name} to "{title}", which is from {start} to {end}',
                        'schedule "{title}" with {name} from {start} to {end}; the address is in my contacts',
                    ),
                    (
                        "在日历里安排“{title}”，时间从 {start} 到 {end}，并邀请{name}",
                        "邀请{name}参加“{title}”，时间是 {start} 到 {end}",
                    ),
                ),
                values={"title": title, "start": start, "end": end, "name": name},
                steps=[[found], [made]],
                told=wording(
                    (
                        '"{title}" is in your calendar from {start} to {end}, and {name} ({email}) is invited.',
                        'I scheduled "{title}" for {start} to {end} and invited {name} at {email}.',
                    ),
                    ("已安排“{title}”（{start} 至 {end}），并邀请了{name}（{email}）。",),
                ),
                results={"email": made["attendees"][0]},
            )
        ],
        _new_event(state, title=title, start=start, end=end, attendees=[person["email"]]),
    )


@scenario("multi_step", "calendar", en="move events in your calendar", zh="更改日程时间", like=("appointments",))
def move_an_event(draw: Draw) -> Goal:
    state = draw.states["calendar"]
    event = draw.one(state["events"])
    start, end = _free_span(draw, state, 60)
    day = event["start"][:10]
    listed = call("list_events", from_date=day)
    moved = call("reschedule_event", event_id=listed["events"].where(title=event["title"])["id"], start=start, end=end)
    place = state["events"].index(event)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'move "{title}" on {day} to {start} until {end}',
                        'reschedule "{title}", which is on {day}, so that it is from {start} to {end}',
                    ),
                    ("把 {day} 的“{title}”改到 {start} 至 {end}", "将“{title}”（{day}）的时间改为 {start} 到 {end}"),
                ),
                values={"title": event["title"], "day": day, "start": start, "end": end},
                steps=[[listed], [moved]],
                told=wording(
                    (
                        '"{title}" is now from {start} to {end}.',
                        'I moved "{title}": it begins at {start} and ends at {end}.',
                    ),
                    ("“{title}”已改到 {start} 至 {end}。",),
                ),
            )
        ],
        {f"calendar/events/{place}/start": start, f"calendar/events/{place}/end": end},
    )


@scenario("multi_turn", "calendar", en="look into your calendar", zh="查看您的日历", like=("appointments",))
def look_then_cancel(draw: Draw) -> Goal:
    state = draw.states["calendar"]
    event = draw.one(state["events"])
    day = event["start"][:10]
    listed = call("list_events", from_date=day)
    deleted = call("delete_event", event_id=listed["events"].where(title=event["title"])["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    ("What is on my calendar on {day}?", "show me my events on {day}"),
                    ("我 {day} 有什么安排？", "看一下我 {day} 的日程"),
                ),
                values={"day": day},
                steps=[[listed]],
                told=wording(("On {day} there is: {events}.", "You have {events}."), ("{day} 的日程：{events}。",)),
                results={"events": each(listed["events"], "{title} at {start}", "{title}（{start}）")},
            ),
            Request(
                asked=wording(
                    ('cancel "{title}"', 'delete the event "{title}"', 'take "{title}" out of the calendar'),
                    ("取消“{title}”", "把“{title}”从日历里删掉"),
                ),
                values={"title": event["title"]},
                steps=[[deleted]],
                told=wording(
                    ('"{title}" ({id}) is deleted.', 'I took "{title}" out of your calendar.'),
                    ("已删除“{title}”（{id}）。",),
                ),
                results={"id": deleted["deleted"]["id"]},
            ),
        ],
        {"calendar/events/*": GONE},
    )


@scenario("error_correction", "calendar", en="put anything into your calendar", zh="添加日程", like=("appointments",))
def time_that_is_taken(draw: Draw) -> Goal:
    state = draw.states["calendar"]
    event = draw.one(state["events"])
    start, end = _free_span(draw, state, 60)
    title = draw.worded(draw.one(TITLES))
    made = call("create_event", title=title, start=start, end=end)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'put "{title}" into my calendar from {taken} to {until}, or if that is taken {start} to {end}',
                        'schedule "{title}" for {taken} to {until}; if I am busy then, take {start} to {end}',
                    ),
                    (
                        "把“{title}”安排在 {taken} 到 {until}，如果有冲突就改到 {start} 至 {end}",
                        "在 {taken} 至 {until} 添加日程“{title}”，时间被占用的话用 {start} 到 {end}",
                    ),
                ),
                values={"title": title, "taken": event["start"], "until": event["end"], "start": start, "end": end},
                steps=[[refused("create_event", title=title, start=event["start"], end=event["end"])], [made]],
                told=wording(
                    (
                        'At {taken} you are busy already, so I put "{title}" from {start} to {end}.',
                        'The first time was taken. "{title}" is in your calendar from {start} to {end}.',
                    ),
                    ("{taken} 已有安排，因此“{title}”改在 {start} 至 {end}。",),
                ),
            )
        ],
        _new_event(state, title=title, start=start, end=end),
    )

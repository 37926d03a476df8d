"""What people want of alarms, timers and the clock."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY, GONE
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.scenarios.cast import cities
from octupus.agent.generate.wording import each, wording

LABELS = (
    ("feed the cat", "喂猫"),
    ("take out the bread", "取面包"),
    ("call the office", "给办公室打电话"),
    ("leave for the train", "去赶火车"),
    ("start cooking", "开始做饭"),
    ("check the oven", "看烤箱"),
)


@scenario("single", "alarms", en="set alarms", zh="设置闹钟", like=("tasks", "calendar"))
def new_alarm(draw: Draw) -> Goal:
    state = draw.states["alarms"]
    time = f"{draw.number(5, 22):02d}:{draw.one((5, 10, 20, 25, 35, 50)):02d}"
    label = draw.worded(draw.one(LABELS))
    made = call("set_alarm", time=time, label=label)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'set an alarm[ for {time}] to "{label}"',
                        'wake me[ at {time}] with an alarm called "{label}"',
                        'set an alarm named "{label}"[ at {time}]',
                    ),
                    ("设一个[ {time} 的]闹钟，提醒“{label}”", "[在 {time} ]设个闹钟，名称是“{label}”"),
                ),
                values={"time": time, "label": label},
                steps=[[made]],
                told=wording(
                    ('The alarm "{label}" will ring at {time} ({id}).', 'Done: {id} rings at {time} for "{label}".'),
                    ("已设置 {time} 的闹钟“{label}”（{id}）。",),
                ),
                results={"id": made["id"]},
                omissible={"time": Omissible("the time", "时间")},
            )
        ],
        {f"alarms/alarms/{len(state['alarms'])}": {"time": time, "label": label}, "alarms/next_id": ANY},
    )


@scenario("parallel", "alarms", en="start timers", zh="设置计时器", like=("tasks",))
def several_timers(draw: Draw) -> Goal:
    minutes, labels = draw.some(range(2, 90), 2), draw.some(LABELS, 2)
    first, second = (draw.worded(label) for label in labels)
    calls = [
        call("start_timer", minutes=minutes[0], label=first),
        call("start_timer", minutes=minutes[1], label=second),
    ]
    return Goal(
        [
            Request(
                asked=wording(
                    'start two timers: {minutes1} minutes for "{first}" and {minutes2} minutes for "{second}"',
                    "开两个计时器：{minutes1} 分钟的“{first}”和 {minutes2} 分钟的“{second}”",
                ),
                values={"minutes1": minutes[0], "minutes2": minutes[1], "first": first, "second": second},
                steps=[calls],
                told=wording(
                    ('Both timers run: "{first}" ends at {end1}, "{second}" at {end2}.',),
                    ("计时器已启动：“{first}”在 {end1} 结束，“{second}”在 {end2} 结束。",),
                ),
                results={"end1": calls[0]["ends"], "end2": calls[1]["ends"]},
            )
        ],
        {
            "alarms/timers/0": {"label": first},
            "alarms/timers/1": {"label": second},
            "alarms/next_id": ANY,
        },
    )


@scenario("multi_step", "alarms", en="cancel alarms", zh="取消闹钟")
def cancel_an_alarm(draw: Draw) -> Goal:
    alarm = draw.one(draw.states["alarms"]["alarms"])
    listed = call("list_alarms")
    cancelled = call("cancel_alarm", alarm_id=listed["alarms"].where(label=alarm["label"])["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    ('cancel the alarm "{label}"', 'I no longer need the alarm "{label}". Please remove it.'),
                    ("取消“{label}”的闹钟", "不需要“{label}”这个闹钟了，请删掉。"),
                ),
                values={"label": alarm["label"]},
                steps=[[listed], [cancelled]],
                told=wording(
                    ('The alarm "{label}" at {time} is cancelled.', 'I took away "{label}", which was set for {time}.'),
                    ("{time} 的“{label}”闹钟已取消。",),
                ),
                results={"time": cancelled["cancelled"]["time"]},
            )
        ],
        {"alarms/alarms/*": GONE},
    )


@scenario("parallel", "alarms", en="tell the time in other cities", zh="查询各地时间")
def time_in_cities(draw: Draw) -> Goal:
    chosen = draw.some(cities(draw), draw.one((2, 3)))
    calls = [call("get_current_time", city=city.name) for city in chosen]
    return Goal(
        [
            Request(
                asked=wording(
                    ("tell me what time it is in {cities}", "What time is it now in {cities}?"),
                    ("告诉我{cities}现在几点", "{cities}现在分别是几点？"),
                ),
                values={"cities": [city.name for city in chosen]},
                steps=[calls],
                told=wording(("The time is {times}.",), ("当地时间：{times}。",)),
                results={"times": each([made.result for made in calls], "{time} in {city}", "{city} {time}")},
                answers=[made["time"] for made in calls],
            )
        ]
    )

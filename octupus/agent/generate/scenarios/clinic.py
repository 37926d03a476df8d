"""What people want of the clinic."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY, GONE
from octupus.agent.generate.links import call, refused
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.wording import wording


@scenario("multi_step", "appointments", en="book appointments at the clinic", zh="预约门诊", like=("calendar",))
def see_a_doctor(draw: Draw) -> Goal:
    state = draw.states["appointments"]
    special = [each for each in state["doctors"] if each["specialty"] != "general practice"]
    doctor = draw.one(special)
    slots = [slot for slot in state["slots"] if slot["doctor_id"] == doctor["id"] and slot["free"]]
    slot = draw.one([each for each in slots if each["start"][:10] != state["appointments"][0]["start"][:10]])
    reason = draw.worded(draw.one((("check-up", "例行检查"), ("follow-up", "复诊"), ("pain", "疼痛"))))
    doctors = call("list_doctors", specialty=doctor["specialty"])
    booked = call("book_appointment", doctor_id=doctors["doctors"][0]["id"], start=slot["start"], reason=reason)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        "book me an appointment at the clinic in {specialty}[ at {start}]; the reason is: {reason}",
                        "get me an appointment for {specialty}[ at {start}] (reason: {reason})",
                    ),
                    (
                        "帮我预约 {specialty} 的门诊[，时间 {start}]，原因是：{reason}",
                        "预约[ {start} ]的 {specialty} 医生，事由：{reason}",
                    ),
                ),
                values={"specialty": doctor["specialty"], "start": slot["start"], "reason": reason},
                steps=[[doctors], [booked]],
                told=wording(
                    (
                        "You have an appointment with {doctor} at {start} ({id}).",
                        "{doctor} will see you at {start}. The appointment's id is {id}.",
                    ),
                    ("已预约 {doctor}，时间为 {start}，预约编号 {id}。",),
                ),
                results={"doctor": booked["doctor"], "id": booked["id"]},
                omissible={"start": Omissible("the time that suits you", "您方便的时间")},
            )
        ],
        {
            f"appointments/slots/{state['slots'].index(slot)}/free": False,
            "appointments/appointments/*": {"doctor_id": doctor["id"], "start": slot["start"], "reason": reason},
            "appointments/next_id": ANY,
        },
    )


@scenario(
    "multi_turn", "appointments", en="look into appointments at the clinic", zh="查询门诊预约", like=("calendar",)
)
def cancel_at_the_clinic(draw: Draw) -> Goal:
    state = draw.states["appointments"]
    appointment = draw.one(state["appointments"])
    listed = call("list_appointments")
    first = listed["appointments"][0]
    cancelled = call("cancel_appointment", appointment_id=first["id"])
    slot = next(
        number
        for number, each in enumerate(state["slots"])
        if (each["doctor_id"], each["start"]) == (appointment["doctor_id"], appointment["start"])
    )
    return Goal(
        [
            Request(
                asked=wording(
                    ("When is my appointment at the clinic?", "look up my appointments at the clinic"),
                    ("我在诊所的预约是什么时候？", "查一下我的门诊预约"),
                ),
                steps=[[listed]],
                told=wording(
                    ("You see {doctor} at {start}.", "Your appointment with {doctor} is at {start}."),
                    ("您预约了 {doctor}，时间是 {start}。",),
                ),
                results={"doctor": first["doctor"], "start": first["start"]},
            ),
            Request(
                asked=wording(
                    ("I can't make it. Please cancel it.", "cancel that appointment"),
                    ("我去不了了，请取消。", "取消这个预约"),
                ),
                steps=[[cancelled]],
                told=wording(
                    ("The appointment at {start} is cancelled.", "Done: {id} at {start} is cancelled."),
                    ("{start} 的预约（{id}）已取消。",),
                ),
                results={"start": cancelled["cancelled"]["start"], "id": cancelled["cancelled"]["id"]},
            ),
        ],
        {"appointments/appointments/*": GONE, f"appointments/slots/{slot}/free": True},
    )


@scenario("error_correction", "appointments", en="book appointments at the clinic", zh="预约门诊", like=("calendar",))
def doctor_who_is_not_free(draw: Draw) -> Goal:
    state = draw.states["appointments"]
    doctor = draw.one([each for each in state["doctors"] if each["specialty"] != "general practice"])
    own = [slot for slot in state["slots"] if slot["doctor_id"] == doctor["id"]]
    mine = state["appointments"][0]["start"][:10]
    taken = draw.one([slot for slot in own if not slot["free"]])
    free = [slot for slot in own if slot["free"] and slot["start"][:10] != mine]
    if not free:
        raise NotPossible
    slot = draw.one(free)
    reason = draw.worded(draw.one((("check-up", "例行检查"), ("second opinion", "咨询意见"))))
    doctors = call("list_doctors", specialty=doctor["specialty"])
    chosen = doctors["doctors"][0]["id"]
    booked = call("book_appointment", doctor_id=chosen, start=slot["start"], reason=reason)
    return Goal(
        [
            Request(
                asked=wording(
                    "book {specialty} at the clinic for {taken}, or for {start} if that is taken (reason: {reason})",
                    "预约 {specialty} 医生，时间 {taken}，如果没有空就改成 {start}，事由：{reason}",
                ),
                values={
                    "specialty": doctor["specialty"],
                    "taken": taken["start"],
                    "start": slot["start"],
                    "reason": reason,
                },
                steps=[
                    [doctors],
                    [refused("book_appointment", doctor_id=chosen, start=taken["start"], reason=reason)],
                    [booked],
                ],
                told=wording(
                    ("{doctor} is not free at {taken}, so your appointment is at {start} ({id}).",),
                    ("{doctor} 在 {taken} 没有空，已改约 {start}（{id}）。",),
                ),
                results={"doctor": booked["doctor"], "id": booked["id"]},
            )
        ],
        {
            f"appointments/slots/{state['slots'].index(slot)}/free": False,
            "appointments/appointments/*": {"doctor_id": doctor["id"], "start": slot["start"]},
            "appointments/next_id": ANY,
        },
    )

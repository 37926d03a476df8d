"""A clinic: its doctors, the times they are free, and the user's appointments."""

from __future__ import annotations

import json
import random
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Health"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

Specialty = Literal["general practice", "dentistry", "dermatology", "cardiology", "eye care"]


def initial_state(seed: int) -> dict[str, Any]:
    """Six doctors with free and taken times on the next four working days, and one appointment of the user."""
    draw = random.Random(f"appointments:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    surnames = draw.sample(["Adler", "Bauer", "Conti", "Dubois", "Evans", "Fischer", "Gomez", "Huang"], 6)
    specialties = ["general practice", "general practice", "dentistry", "dermatology", "cardiology", "eye care"]
    doctors = [
        {"id": f"doc_{number}", "name": f"Dr {surname}", "specialty": specialty}
        for number, (surname, specialty) in enumerate(zip(surnames, specialties, strict=True), 1)
    ]
    days = [date.fromisoformat(now[:10]) + timedelta(days=ahead) for ahead in range(1, 8)]
    slots = [
        {"doctor_id": doctor["id"], "start": f"{day}T{time}", "free": draw.random() < 0.6}
        for doctor in doctors
        for day in [day for day in days if day.weekday() < 5][:4]
        for time in sorted(draw.sample(["08:30", "09:30", "10:30", "11:30", "14:00", "15:00", "16:00"], 3))
    ]
    first = draw.choice([slot for slot in slots if not slot["free"]])
    appointment = {"id": "apt_1", **{key: first[key] for key in ("doctor_id", "start")}, "reason": "check-up"}
    return {"now": now, "doctors": doctors, "slots": slots, "appointments": [appointment], "next_id": 2}


def list_doctors(specialty: Specialty | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the doctors of the clinic.

    Args:
        specialty: Field of medicine; without it, all doctors are listed.
    """
    return {"doctors": [doctor for doctor in state["doctors"] if specialty in (None, doctor["specialty"])]}


def list_free_slots(doctor_id: str, date: str | None = None, *, state: dict[str, Any]) -> dict[str, Any]:
    """List the times at which a doctor can still be seen.

    Args:
        doctor_id: Id of the doctor, such as doc_2.
        date: Day as YYYY-MM-DD; without it, all days are listed.
    """
    doctor = _doctor(doctor_id, state)
    if date is not None and not re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", date):
        raise ValueError(f"date must be a day such as 2026-03-14, not {date!r}")
    return {
        "doctor": doctor["name"],
        "free": [start for start in _free(doctor_id, state) if start[:10] == (date or start[:10])],
    }


def book_appointment(doctor_id: str, start: str, reason: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Book an appointment with a doctor at a free time.

    Args:
        doctor_id: Id of the doctor, such as doc_2.
        start: A free time of the doctor, as YYYY-MM-DDTHH:MM.
        reason: Why the doctor is to be seen.
    """
    doctor = _doctor(doctor_id, state)
    free = _free(doctor_id, state)
    if start[:16] not in free or start[16:] not in ("", ":00"):
        raise ValueError(f"{doctor['name']} is not free at {start!r}; free times are: {', '.join(free) or 'none'}")
    start = start[:16]
    for other in state["appointments"]:
        apart = datetime.fromisoformat(start) - datetime.fromisoformat(other["start"])
        if abs(apart) < timedelta(minutes=60):
            raise ValueError(f"appointment {other['id']} at {other['start']} is less than an hour from {start}")
    if not reason.strip():
        raise ValueError("reason must say why the doctor is to be seen")
    appointment = {"id": f"apt_{state['next_id']}", "doctor_id": doctor_id, "start": start, "reason": reason}
    state["next_id"] += 1
    _slot(doctor_id, start, state)["free"] = False
    state["appointments"].append(appointment)
    return {**appointment, "doctor": doctor["name"]}


def list_appointments(*, state: dict[str, Any]) -> dict[str, Any]:
    """List the user's appointments in the clinic."""
    named = [{**record, "doctor": _doctor(record["doctor_id"], state)["name"]} for record in state["appointments"]]
    return {"appointments": sorted(named, key=lambda record: str(record["start"]))}


def cancel_appointment(appointment_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Cancel an appointment, so that its time is free again.

    Args:
        appointment_id: Id of the appointment, such as apt_1.
    """
    for record in state["appointments"]:
        if record["id"] == appointment_id:
            state["appointments"].remove(record)
            _slot(record["doctor_id"], record["start"], state)["free"] = True
            return {"cancelled": record}
    known = ", ".join(record["id"] for record in state["appointments"]) or "none"
    raise ValueError(f"there is no appointment {appointment_id!r}; there are: {known}")


def _doctor(doctor_id: str, state: dict[str, Any]) -> dict[str, Any]:
    for doctor in state["doctors"]:
        if doctor["id"] == doctor_id:
            return dict(doctor)
    known = ", ".join(f"{doctor['id']} ({doctor['name']})" for doctor in state["doctors"])
    raise ValueError(f"there is no doctor {doctor_id!r}; there are: {known}")


def _slot(doctor_id: str, start: str, state: dict[str, Any]) -> dict[str, Any]:
    slots: list[dict[str, Any]] = state["slots"]
    return next(slot for slot in slots if slot["doctor_id"] == doctor_id and slot["start"] == start)


def _free(doctor_id: str, state: dict[str, Any]) -> list[str]:
    return [slot["start"] for slot in state["slots"] if slot["doctor_id"] == doctor_id and slot["free"]]

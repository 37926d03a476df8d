"""A to-do list with priorities and due days."""

from __future__ import annotations

import json
import random
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

CATEGORY = "Business"

_CAST = json.loads((Path(__file__).parent / "data" / "cast.json").read_text(encoding="utf-8"))

Priority = Literal["low", "normal", "high"]
_PRIORITIES: tuple[str, ...] = get_args(Priority)


def initial_state(seed: int) -> dict[str, Any]:
    """Six tasks, of which one is done."""
    draw = random.Random(f"tasks:{seed}")
    now = _CAST["mornings"][seed % len(_CAST["mornings"])]
    titles = draw.sample(
        ["File the tax return", "Renew the passport", "Clean the windows", "Write the report", "Buy a birthday gift",
         "Fix the bicycle", "Back up the laptop", "Call the landlord", "Plan the holiday", "Learn ten words"], 6
    )  # fmt: skip
    tasks = [
        {
            "id": f"task_{number}",
            "title": title,
            "priority": draw.choice(_PRIORITIES),
            "due": draw.choice([None, str(date.fromisoformat(now[:10]) + timedelta(days=draw.randrange(-3, 15)))]),
            "done": number == 1,
        }
        for number, title in enumerate(titles, 1)
    ]
    return {"now": now, "tasks": tasks, "next_id": 7}


def add_task(
    title: str, due: str | None = None, priority: Priority = "normal", *, state: dict[str, Any]
) -> dict[str, Any]:
    """Put a task on the list.

    Args:
        title: What is to be done.
        due: Last day, as YYYY-MM-DD.
        priority: How important it is.
    """
    if not title.strip():
        raise ValueError("title must not be empty")
    _check(due, priority)
    for other in state["tasks"]:
        if other["title"].casefold() == title.strip().casefold() and not other["done"]:
            raise ValueError(f"{other['id']} is {other['title']!r} already, and is not done")
    task = {"id": f"task_{state['next_id']}", "title": title.strip(), "priority": priority, "due": due, "done": False}
    state["next_id"] += 1
    state["tasks"].append(task)
    return task


def list_tasks(
    done: bool | None = None,
    due_before: str | None = None,
    priority: Priority | None = None,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """List tasks, those that are due first at the top and those without a day last.

    Args:
        done: Whether only tasks that are done, or only those that are not, are wanted.
        due_before: Only tasks that are due before this day, as YYYY-MM-DD.
        priority: Only tasks of this priority.
    """
    _check(due_before, priority or "normal")
    found = [
        task
        for task in state["tasks"]
        if done in (None, task["done"])
        and (due_before is None or (task["due"] is not None and task["due"] < due_before))
        and priority in (None, task["priority"])
    ]
    return {"tasks": sorted(found, key=lambda task: str(task["due"] or "9"))}


def complete_task(task_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Tick a task off.

    Args:
        task_id: Id of the task, such as task_4.
    """
    task = _task(task_id, state)
    if task["done"]:
        raise ValueError(f"{task_id} ({task['title']}) is done already")
    task["done"] = True
    return task


def change_task(
    task_id: str,
    title: str | None = None,
    due: str | None = None,
    priority: Priority | None = None,
    *,
    state: dict[str, Any],
) -> dict[str, Any]:
    """Change the title, the day or the priority of a task; what is left out stays.

    Args:
        task_id: Id of the task, such as task_4.
        title: New title.
        due: New last day, as YYYY-MM-DD.
        priority: New priority.
    """
    task = _task(task_id, state)
    given = {key: value for key, value in (("title", title), ("due", due), ("priority", priority)) if value is not None}
    if not given:
        raise ValueError("nothing to change: give title, due or priority")
    if title is not None and not title.strip():
        raise ValueError("title must not be empty")
    _check(due, priority or "normal")
    task.update(given)
    return task


def delete_task(task_id: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Take a task off the list.

    Args:
        task_id: Id of the task, such as task_4.
    """
    task = _task(task_id, state)
    state["tasks"].remove(task)
    return {"deleted": task}


def _task(task_id: str, state: dict[str, Any]) -> dict[str, Any]:
    tasks: list[dict[str, Any]] = state["tasks"]
    for task in tasks:
        if task["id"] == task_id:
            return task
    known = ", ".join(f"{task['id']} ({task['title']})" for task in tasks) or "none"
    raise ValueError(f"there is no task {task_id!r}; there are: {known}")


def _check(day: str | None, priority: str) -> None:
    if priority not in _PRIORITIES:
        raise ValueError(f"priority must be one of {', '.join(_PRIORITIES)}, not {priority!r}")
    if day is None:
        return
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", day):
            date.fromisoformat(day)
            return
    except ValueError:
        pass
    raise ValueError(f"a day must be such as 2026-03-14, not {day!r}")

"""What people want of notes and tasks."""

from __future__ import annotations

from datetime import date, timedelta

from octupus.agent.generate.blueprint import Goal, Omissible, Request
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.links import call, refused
from octupus.agent.generate.scenario import Draw, scenario
from octupus.agent.generate.wording import each, wording

TASKS = (
    ("Order new glasses", "配新眼镜"),
    ("Pay the parking fine", "交停车罚款"),
    ("Water the balcony", "给阳台浇水"),
    ("Print the tickets", "打印车票"),
    ("Return the drill", "归还电钻"),
    ("Sort the photos", "整理照片"),
)
NOTES = (
    ("Door code", "The new code is on the fridge.", "门禁", "新密码贴在冰箱上。"),
    ("Paint", "The wall colour is called sand.", "油漆", "墙面的颜色叫沙色。"),
    ("Neighbours", "They are away until the end of the month.", "邻居", "他们月底才回来。"),
    ("Bread", "Let the dough rest for two hours.", "面包", "面团要静置两小时。"),
)


@scenario("single", "notes", en="write notes", zh="写笔记", like=("files", "tasks"))
def new_note(draw: Draw) -> Goal:
    note = draw.one(NOTES)
    title, text = note[:2] if draw.language == "en" else note[2:]
    made = call("create_note", title=title, text=text)
    return Goal(
        [
            Request(
                asked=wording(
                    ('write a note titled "{title}"[ that says "{text}"]', 'make a note "{title}"[: "{text}"]'),
                    ("写一条标题为“{title}”的笔记[，内容是“{text}”]", "记一条笔记“{title}”[：“{text}”]"),
                ),
                values={"title": title, "text": text},
                steps=[[made]],
                told=wording(('The note "{title}" is saved as {id}.',), ("笔记“{title}”已保存（{id}）。",)),
                results={"id": made["id"]},
                omissible={"text": Omissible("what the note should say", "笔记内容")},
            )
        ],
        {
            f"notes/notes/{len(draw.states['notes']['notes'])}": {"title": title, "text": text},
            "notes/next_id": ANY,
        },
    )


@scenario("error_correction", "notes", en="write notes", zh="写笔记", like=("files", "tasks"))
def note_that_is_there_already(draw: Draw) -> Goal:
    state = draw.states["notes"]
    note = draw.one(state["notes"])
    text = draw.one(NOTES)[1 if draw.language == "en" else 3]
    found = call("find_notes", text=note["title"])
    added = call("append_to_note", note_id=found["notes"].where(title=note["title"])["id"], text=text)
    return Goal(
        [
            Request(
                asked=wording(
                    'make a note titled "{title}" with the text "{text}"; if there is one already, add the text to it',
                    "新建笔记“{title}”，内容是“{text}”；如果已经有这条笔记，就把内容加进去",
                ),
                values={"title": note["title"], "text": text},
                steps=[[refused("create_note", title=note["title"], text=text)], [found], [added]],
                told=wording(
                    ('There was a note "{title}" already, so I added the text to it.',),
                    ("已有笔记“{title}”，内容已追加到其中。",),
                ),
            )
        ],
        {f"notes/notes/{state['notes'].index(note)}/text": f"{note['text']}\n{text}"},
    )


@scenario("single", "tasks", en="put tasks on your list", zh="添加待办事项", like=("calendar", "notes", "alarms"))
def new_task(draw: Draw) -> Goal:
    state = draw.states["tasks"]
    title = draw.worded(draw.one(TASKS))
    due = str(date.fromisoformat(state["now"][:10]) + timedelta(days=draw.number(1, 20)))
    priority = draw.one(("low", "normal", "high"))
    made = call("add_task", title=title, due=due, priority=priority)
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'put[ "{title}"] on my to-do list, due on {due}, with {priority} priority',
                        'add a task[ "{title}"] of {priority} priority that is due on {due}',
                    ),
                    ("在待办清单里加上[“{title}”，]截止 {due}，优先级 {priority}",),
                ),
                values={"title": title, "due": due, "priority": priority},
                steps=[[made]],
                told=wording(
                    ('"{title}" is on your list ({id}), due on {due}.',), ("待办“{title}”（{id}）已添加，截止 {due}。",)
                ),
                results={"id": made["id"]},
                omissible={"title": Omissible("what is to be done", "待办内容")},
            )
        ],
        {
            f"tasks/tasks/{len(state['tasks'])}": {"title": title, "due": due, "priority": priority},
            "tasks/next_id": ANY,
        },
    )


@scenario("parallel", "tasks", en="put tasks on your list", zh="添加待办事项", like=("calendar", "notes", "alarms"))
def several_new_tasks(draw: Draw) -> Goal:
    titles = [draw.worded(pair) for pair in draw.some(TASKS, draw.one((2, 3)))]
    calls = [call("add_task", title=title) for title in titles]
    number = len(draw.states["tasks"]["tasks"])
    return Goal(
        [
            Request(
                asked=wording(
                    ("put these tasks on my list: {titles}", "add the following to my to-do list: {titles}"),
                    ("把这些加到待办清单：{titles}",),
                ),
                values={"titles": titles},
                steps=[calls],
                told=wording(("On your list now: {tasks}.",), ("已添加：{tasks}。",)),
                results={"tasks": each([made.result for made in calls], "{title} ({id})", "{title}（{id}）")},
            )
        ],
        {
            **{f"tasks/tasks/{number + place}": {"title": title} for place, title in enumerate(titles)},
            "tasks/next_id": ANY,
        },
    )


@scenario("multi_step", "tasks", en="tick tasks off", zh="完成待办事项")
def tick_a_task_off(draw: Draw) -> Goal:
    state = draw.states["tasks"]
    task = draw.one([each for each in state["tasks"] if not each["done"]])
    listed = call("list_tasks", done=False)
    done = call("complete_task", task_id=listed["tasks"].where(title=task["title"])["id"])
    return Goal(
        [
            Request(
                asked=wording(
                    (
                        'tick "{title}" off',
                        'mark "{title}" on my to-do list as done',
                        'I have done "{title}". Tick it off.',
                    ),
                    ("把待办事项“{title}”标记为完成", "“{title}”这件事已经做完了，请从清单上勾掉。"),
                ),
                values={"title": task["title"]},
                steps=[[listed], [done]],
                told=wording(('"{title}" ({id}) is done.',), ("待办事项“{title}”（{id}）已经标记为完成。",)),
                results={"id": done["id"]},
            )
        ],
        {f"tasks/tasks/{state['tasks'].index(task)}/done": True},
    )

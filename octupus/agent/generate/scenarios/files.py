"""What people want of their files."""

from __future__ import annotations

from octupus.agent.generate.blueprint import Goal, Request
from octupus.agent.generate.changes import ANY, GONE
from octupus.agent.generate.links import call
from octupus.agent.generate.scenario import Draw, NotPossible, scenario
from octupus.agent.generate.wording import each, wording


@scenario("multi_step", "files", en="read files", zh="读取文件", like=("notes",))
def find_and_read_a_file(draw: Draw) -> Goal:
    file = draw.one(draw.states["files"]["files"])
    name = file["path"].rsplit("/", 1)[1]
    found = call("find_files", name=name)
    read = call("read_file", path=found["paths"][0])
    return Goal(
        [
            Request(
                asked=wording(
                    ("find the file {name} and read it to me", "look for {name} among my files. What is in it?"),
                    ("找到文件 {name} 并读给我听", "在我的文件里找 {name}，里面写了什么？"),
                ),
                values={"name": name},
                steps=[[found], [read]],
                told=wording(("{path} says:\n{content}",), ("{path} 的内容是：\n{content}",)),
                results={"path": read["path"], "content": read["content"]},
                answers=(read["content"],),
            )
        ]
    )


@scenario("multi_turn", "files", en="look after your files", zh="管理您的文件", like=("notes",))
def look_around_and_delete(draw: Draw) -> Goal:
    state = draw.states["files"]
    file = draw.one(state["files"])
    directory, name = file["path"].rsplit("/", 1)
    listed, deleted = call("list_directory", path=directory), call("delete_file", path=file["path"])
    return Goal(
        [
            Request(
                asked=wording(
                    ("list the files in {directory}", "What is in the directory {directory}?"),
                    ("列出 {directory} 里的文件", "目录 {directory} 里有什么？"),
                ),
                values={"directory": directory},
                steps=[[listed]],
                told=wording(("In {directory} there are: {files}.",), ("{directory} 里有：{files}。",)),
                results={"files": each(listed["files"], "{name}")},
            ),
            Request(
                asked=wording(("delete {name}", "throw {name} away"), ("删除 {name}", "把 {name} 删掉")),
                values={"name": name},
                steps=[[deleted]],
                told=wording(("{path} is deleted.",), ("已删除 {path}。",)),
                results={"path": deleted["deleted"]},
            ),
        ],
        {"files/files/*": GONE},
    )


@scenario("multi_step", "files", "tasks", en="read your files", zh="读取您的文件", like=("notes",))
def task_from_a_file(draw: Draw) -> Goal:
    files = [file for file in draw.states["files"]["files"] if file["path"].endswith("todo.txt")]
    if not files:
        raise NotPossible
    state = draw.states["tasks"]
    line = draw.one(files[0]["content"].split("\n")[:3])
    read, made = call("read_file", path=files[0]["path"]), call("add_task", title=line)
    return Goal(
        [
            Request(
                asked=wording(
                    'look into {path}: if "{line}" is in it, put that on my task list',
                    "看看 {path}，如果里面有“{line}”，就加到我的待办清单",
                ),
                values={"path": files[0]["path"], "line": line},
                steps=[[read], [made]],
                told=wording(
                    ('"{line}" is in the file and now on your list ({id}).',),
                    ("文件里有“{line}”，已加到待办清单（{id}）。",),
                ),
                results={"id": made["id"]},
            )
        ],
        {f"tasks/tasks/{len(state['tasks'])}": {"title": line}, "tasks/next_id": ANY},
    )

"""A file system that is in the state only: directories, text files, moving, searching. No real file is touched."""

from __future__ import annotations

import random
from typing import Any

CATEGORY = "Tools"

_LONGEST = 20_000


def initial_state(seed: int) -> dict[str, Any]:
    """Six directories and nine text files."""
    draw = random.Random(f"files:{seed}")
    directories = ["/", "/documents", "/documents/reports", "/pictures", "/projects"]
    months = draw.sample(["january", "february", "march", "april", "may", "june"], 3)
    files = [
        {"path": f"/documents/reports/{month}.txt", "content": f"Sales in {month}: {draw.randrange(100, 999)} units.\n"}
        for month in months
    ]
    for name in draw.sample(["todo", "shopping", "ideas", "travel", "recipes"], 3):
        lines = draw.sample(["milk", "call Anna", "fix the bike", "book a table", "read chapter 3", "buy tea"], 3)
        files.append({"path": f"/documents/{name}.txt", "content": "\n".join(lines) + "\n"})
    project = draw.choice(["garden", "website", "thesis"])
    directories.append(f"/projects/{project}")
    files.append(
        {"path": f"/projects/{project}/readme.md", "content": f"# {project}\n\nBudget: {draw.randrange(5, 50)}00 EUR\n"}
    )
    files.append({"path": f"/projects/{project}/plan.csv", "content": "step,days\ndraft,3\nbuild,10\ntest,4\n"})
    files.append({"path": "/pictures/index.txt", "content": f"{draw.randrange(20, 90)} pictures\n"})
    return {"directories": directories, "files": sorted(files, key=lambda file: file["path"])}


def list_directory(path: str = "/", *, state: dict[str, Any]) -> dict[str, Any]:
    """List the files and directories in a directory.

    Args:
        path: Directory, such as /documents.
    """
    path = _directory(path, state)
    inside = path.rstrip("/") + "/"
    files = [
        {"name": _name(file["path"]), "characters": len(file["content"])}
        for file in state["files"]
        if _parent(file["path"]) == path
    ]
    directories = [
        _name(other)
        for other in state["directories"]
        if other.startswith(inside) and _parent(other) == path and other != "/"
    ]
    return {"path": path, "directories": directories, "files": files}


def read_file(path: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Read a text file.

    Args:
        path: File, such as /documents/todo.txt.
    """
    file = _file(path, state)
    return {"path": file["path"], "content": file["content"]}


def write_file(
    path: str, content: str, overwrite: bool = False, append: bool = False, *, state: dict[str, Any]
) -> dict[str, Any]:
    """Write a text file into a directory that exists.

    Args:
        path: File, such as /documents/todo.txt.
        content: Its text.
        overwrite: Whether a file that exists is replaced.
        append: Whether the text is added to the end of a file that exists.
    """
    if overwrite and append:
        raise ValueError("overwrite and append cannot both be true")
    path = _normal(path)
    _directory(_parent(path), state)
    if path in state["directories"]:
        raise ValueError(f"{path} is a directory; give the name of a file in it")
    old = next((file for file in state["files"] if file["path"] == path), None)
    if old is not None and not overwrite and not append:
        raise ValueError(f"{path} exists; set overwrite to replace it or append to add to it")
    text = old["content"] + content if old is not None and append else content
    if len(text) > _LONGEST:
        raise ValueError(f"a file holds at most {_LONGEST} characters, and this one would have {len(text)}")
    if old is None:
        state["files"] = sorted([*state["files"], {"path": path, "content": text}], key=lambda file: str(file["path"]))
    else:
        old["content"] = text
    return {"path": path, "characters": len(text)}


def make_directory(path: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Make a directory in one that exists.

    Args:
        path: New directory, such as /documents/letters.
    """
    path = _normal(path)
    _free(path, state)
    _directory(_parent(path), state)
    state["directories"] = sorted([*state["directories"], path])
    return {"path": path}


def move_file(path: str, new_path: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Move or rename a file.

    Args:
        path: File, such as /documents/todo.txt.
        new_path: Its new path, in a directory that exists; a directory keeps the file's name.
    """
    file = _file(path, state)
    new_path = _normal(new_path)
    if new_path in state["directories"]:
        new_path = f"{new_path.rstrip('/')}/{_name(file['path'])}"
    _free(new_path, state)
    _directory(_parent(new_path), state)
    moved = {"from": file["path"], "to": new_path}
    file["path"] = new_path
    state["files"].sort(key=lambda file: str(file["path"]))
    return moved


def delete_file(path: str, *, state: dict[str, Any]) -> dict[str, Any]:
    """Delete a file.

    Args:
        path: File, such as /documents/todo.txt.
    """
    file = _file(path, state)
    state["files"].remove(file)
    return {"deleted": file["path"]}


def find_files(name: str = "", text: str = "", *, state: dict[str, Any]) -> dict[str, Any]:
    """Find files by a part of their name, by a text in them, or by both.

    Args:
        name: Part of the file's name, such as .txt.
        text: Text that the file holds, in any case of letters.
    """
    if not name and not text:
        raise ValueError("give name, text, or both")
    return {
        "paths": [
            file["path"]
            for file in state["files"]
            if name.casefold() in _name(file["path"]).casefold() and text.casefold() in file["content"].casefold()
        ]
    }


def _normal(path: str) -> str:
    parts = [part for part in path.strip().split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"path must not hold '..': {path!r}")
    if any("\x00" in part or len(part) > 255 for part in parts) or len(parts) > 20:
        raise ValueError("a name has at most 255 characters, and a path at most 20 names")
    return "/" + "/".join(parts)


def _name(path: str) -> str:
    return path.rsplit("/", 1)[1]


def _parent(path: str) -> str:
    return path.rsplit("/", 1)[0] or "/"


def _directory(path: str, state: dict[str, Any]) -> str:
    path = _normal(path)
    if path not in state["directories"]:
        raise ValueError(f"there is no directory {path}; there are: {', '.join(state['directories'])}")
    return path


def _file(path: str, state: dict[str, Any]) -> dict[str, Any]:
    path = _normal(path)
    files: list[dict[str, Any]] = state["files"]
    for file in files:
        if file["path"] == path:
            return file
    beside = [
        file["path"] for file in files if _parent(file["path"]) == _parent(path) or _name(file["path"]) == _name(path)
    ]
    raise ValueError(f"there is no file {path}; near it are: {', '.join(beside) or 'none, see list_directory'}")


def _free(path: str, state: dict[str, Any]) -> None:
    if path in state["directories"] or any(file["path"] == path for file in state["files"]):
        raise ValueError(f"{path} exists already; choose another name")

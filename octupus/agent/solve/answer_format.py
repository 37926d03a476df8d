"""Answer files: one for each query, in ToolBench's layout, with one key of octupus's own from which nothing is missing.

`{query_id}_{method}.json` is read by ToolBench's and StableToolBench's scripts. Files that those wrote are read here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from octupus.agent.solve.exact_record import from_record, to_record
from octupus.agent.solve.finish import FINISH
from octupus.agent.solve.toolbench_layout import answer_file, finish_arguments, is_valid
from octupus.agent.solve.toolbench_reader import solution_of_toolbench
from octupus.agent.solve.tree import SearchNode, Solution
from octupus.errors import CorpusError

OWN_KEY = "octupus"
_FILE_NAME = re.compile(r"(?P<query_id>[^_]+)_(?:.*_)?(?P<method>CoT@\d+|DFS(?:_woFilter)?_w\d+)\.json")
_LONGEST_NAME = 150


def file_name(query_id: str, method: str) -> str:
    """`{query_id}_{method}.json`; what no file system takes in an id is written as %XX, and a long one as its hash."""
    safe = quote(query_id, safe=" @+=,", errors="surrogatepass").replace("~", "%7E")
    if not safe or safe.startswith(".") or len(safe) > _LONGEST_NAME:
        safe = "id-" + hashlib.sha256(query_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{safe}_{method}.json"


def answer_of(solution: Solution) -> dict[str, Any]:
    """What an answer file holds."""
    return {**answer_file(solution), OWN_KEY: to_record(solution)}


def solution_of(value: Mapping[str, Any], query_id: str = "", method: str = "") -> Solution:
    """The solution of an answer file; id and method are those of the file's name, which ours hold as well.

    Raises CorpusError.
    """
    try:
        if OWN_KEY in value:
            return from_record(value[OWN_KEY])
        return solution_of_toolbench(value, query_id, method)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CorpusError(f"no answer in ToolBench's layout: {type(error).__name__} {error}") from error


def read_answer(path: Path) -> Solution:
    """Read one answer file. Raises CorpusError."""
    named = _FILE_NAME.fullmatch(path.name)
    query_id, method = (named["query_id"], named["method"]) if named else (path.stem, "")
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read as JSON: {error}") from error
    try:
        return solution_of(value, query_id, method)
    except CorpusError as error:
        raise CorpusError(f"{path} holds {error}") from error


def read_answers(directory: Path) -> Iterator[Solution]:
    """All answer files of a directory, by name. Raises CorpusError."""
    for path in sorted(directory.glob("*.json")):
        yield read_answer(path)


def write_answer(directory: Path, solution: Solution) -> Path:
    """Write a solution's file, whole or not at all, and give its path."""
    path = directory / file_name(solution.query_id, solution.method)
    directory.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    # ASCII, since a model's half characters must be kept as well.
    partial.write_text(json.dumps(answer_of(solution)) + "\n", encoding="ascii")
    partial.replace(path)
    return path


def converted(solution: Solution) -> dict[str, Any]:
    """The form that ToolEval reads: the chain that counts, and the tools that were offered.

    As ToolBench's own converter has it, a thought in the message of a call is left out where `Finish` was called, and
    the result of `Finish` is empty. Unlike it, a call of an unknown tool keeps its name, and where nothing was finished
    the chain is that of the last message, not of a random one.
    """
    final = solution.final
    valid = is_valid(solution)
    details = [step for node in (final.path() if final else []) for step in _details(node, valid)]
    chain: list[dict[str, Any]] = []
    for role, message in reversed([("system", ""), ("user", solution.query), *details]):
        chain = [{"role": role, "message": message, "next": chain}]
    return {
        "query": solution.query,
        "available_tools": [tool.function.model_dump() for tool in solution.tools],
        "answer": {
            "method": solution.method,
            "total_steps": len(details) + 2,
            "final_answer": finish_arguments(solution) if valid else "",
            "answer_details": chain,
        },
    }


def converted_answers(directory: Path) -> dict[str, dict[str, Any]]:
    """The answer files of a directory in the form that ToolEval reads, by query id. Raises CorpusError."""
    return {solution.query_id: converted(solution) for solution in read_answers(directory)}


def _details(node: SearchNode, valid: bool) -> Iterator[tuple[str, Any]]:
    if node.spoken and not (valid and node.executed):
        yield "assistant", node.content or ""
    for made in node.executed:
        function = made.call.function
        response = "" if function.name == FINISH and valid else made.text
        yield "tool", {"name": function.name, "arguments": function.arguments, "response": response}

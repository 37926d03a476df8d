"""A solution as one JSON value, and back, with nothing lost: the part of an answer file that is octupus's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from octupus.agent.solve.tree import Made, SearchNode, Solution, Vote
from octupus.agent.tools.status import Status
from octupus.conversation import FunctionCall, Tool, ToolCall

VERSION = 1

_SOLUTION = (
    "query",
    "query_id",
    "method",
    "system_prompt",
    "settings",
    "query_count",
    "tokens_in",
    "tokens_out",
    "stopped",
    "retries",
    "state",
)
_NODE = (
    "number",
    "content",
    "depth",
    "pruned",
    "why_pruned",
    "finish",
    "final_answer",
    "tokens_in",
    "tokens_out",
    "seed",
    "failure",
    "diversity",
    "score",
)


def to_record(solution: Solution) -> dict[str, Any]:
    """The solution as JSON values; nodes stand in the order in which they were made, with their parent's number."""
    nodes = sorted((node for root in solution.roots for node in root.walk()), key=lambda node: node.number)
    return {
        "version": VERSION,
        **{name: getattr(solution, name) for name in _SOLUTION},
        "tools": [tool.model_dump() for tool in solution.tools],
        "answers": [node.number for node in solution.answers],
        "votes": [asdict(vote) for vote in solution.votes],
        "nodes": [_node_record(node) for node in nodes],
    }


def from_record(record: Mapping[str, Any]) -> Solution:
    """The solution that `to_record` was given. Raises ValueError, KeyError or TypeError where it is something else."""
    if record["version"] != VERSION:
        raise ValueError(f"it is of version {record['version']}; this octupus reads version {VERSION}")
    nodes: dict[int, SearchNode] = {}
    roots: list[SearchNode] = []
    for value in record["nodes"]:
        node = SearchNode(**{name: value[name] for name in _NODE}, made=[_made(made) for made in value["calls"]])
        nodes[node.number] = node
        if value["parent"] is None:
            roots.append(node)
        else:
            node.parent = nodes[value["parent"]]
            node.parent.children.append(node)
    return Solution(
        **{name: record[name] for name in _SOLUTION},
        tools=tuple(Tool.model_validate(tool) for tool in record["tools"]),
        roots=roots,
        answers=[nodes[number] for number in record["answers"]],
        votes=[Vote(**vote) for vote in record["votes"]],
    )


def _node_record(node: SearchNode) -> dict[str, Any]:
    calls = [
        {
            "id": made.call.id,
            "name": made.call.function.name,
            "arguments": made.call.function.arguments,
            "status": int(made.status),
            "result": made.text,
            "ran": made.ran,
        }
        for made in node.made
    ]
    parent = None if node.parent is None else node.parent.number
    return {"parent": parent, **{name: getattr(node, name) for name in _NODE}, "calls": calls}


def _made(value: Mapping[str, Any]) -> Made:
    call = ToolCall(id=value["id"], function=FunctionCall(name=value["name"], arguments=value["arguments"]))
    return Made(call, Status(value["status"]), value["result"], value["ran"])

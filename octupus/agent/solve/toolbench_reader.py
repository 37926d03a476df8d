"""Solutions from answer files that ToolBench and StableToolBench wrote themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from octupus.agent.solve.prompts import diversity_prompt
from octupus.agent.solve.tree import FinishType, Made, SearchNode, Solution
from octupus.agent.tools.status import Status
from octupus.conversation import FunctionCall, FunctionDefinition, Tool, ToolCall
from octupus.schema.validation import InvalidJsonError, parse_arguments

_FINISH_TYPES: dict[Status, FinishType] = {Status.ANSWERED: "give_answer", Status.GAVE_UP: "give_up_and_restart"}


def solution_of_toolbench(value: Mapping[str, Any], query_id: str, method: str) -> Solution:
    """The solution that a file tells of, with what such a file does not hold left at its default.

    Raises KeyError, TypeError or ValueError where the file is something else.
    """
    generation, arguments = value["answer_generation"], value["forward_args"]
    reader = _Reader(int(arguments["single_chain_max_step"]))
    if "tree" in value:
        roots = [reader.tree(value["tree"]["tree"])]
    else:
        spoken = _thoughts_alone(generation.get("train_messages") or [])
        tries = value["trys"]
        roots = [
            reader.chain(each["chain"], spoken if position == len(tries) - 1 else None)
            for position, each in enumerate(tries)
        ]
    nodes = [node for root in roots for node in root.walk()]
    return Solution(
        query=generation["query"],
        query_id=query_id,
        method=method,
        roots=roots,
        answers=[node for node in nodes if node.finish == "give_answer"],
        system_prompt=_system_prompt(generation),
        tools=tuple(_tool(function) for function in generation["function"]),
        settings=dict(arguments),
        query_count=generation["query_count"],
        tokens_in=generation["total_tokens"],  # a sum of both kinds: there is no telling them apart
    )


class _Reader:
    """Makes nodes of messages from nodes of thoughts, actions and inputs."""

    def __init__(self, most_steps: int) -> None:
        self._most_steps = most_steps
        self._next = 0

    def tree(self, top: Mapping[str, Any]) -> SearchNode:
        """A whole tree. A message ends at a node that was expanded, that is a leaf, or that branches."""
        root = self._node(None, [])
        waiting = [(root, child) for child in reversed(top["children"])]
        while waiting:
            parent, step = waiting.pop()
            steps = [step]
            while len(step["children"]) == 1 and not step["expand_num"]:
                step = step["children"][0]
                steps.append(step)
            node = self._node(parent, steps)
            waiting += [(node, child) for child in reversed(step["children"])]
        return root

    def chain(self, steps: Sequence[Mapping[str, Any]], thoughts_alone: Iterable[str] | None) -> SearchNode:
        """A single chain. Nothing in it says where a message ends, so that a thought belongs to the call behind it
        unless it is one of those that are known to stand alone."""
        root = node = self._node(None, [])
        alone = set(thoughts_alone or ())
        message: list[Mapping[str, Any]] = []
        for position, step in enumerate(steps):
            message.append(step)
            following = steps[position + 1]["node_type"] if position + 1 < len(steps) else None
            is_thought = step["node_type"] == "Thought"
            if step["node_type"] == "Action Input" or (
                is_thought and (step["description"] in alone or following != "Action")
            ):
                node, message = self._node(node, message), []
        if message:
            self._node(node, message)
        return root

    def _node(self, parent: SearchNode | None, steps: Sequence[Mapping[str, Any]]) -> SearchNode:
        node = SearchNode(self._next, parent, depth=steps[-1]["depth"] if steps else 0)
        self._next += 1
        if parent is None:
            return node
        node.diversity = diversity_prompt(parent, node.number) is not None
        parent.children.append(node)
        thoughts = [step["description"] for step in steps if step["node_type"] == "Thought"]
        node.content = "\n".join(thoughts) if thoughts else None
        node.made = [_made(*pair, node.number, position) for position, pair in enumerate(_calls(steps))]
        for made in node.made:
            if made.status in _FINISH_TYPES:
                node.finish = _FINISH_TYPES[made.status]
                node.final_answer = _final_answer(made.call.function.arguments)
        node.pruned = bool(steps[-1]["pruned"]) and not node.terminal
        if node.pruned and node.depth >= self._most_steps:
            node.why_pruned = "max_step"
        return node


def _calls(steps: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each action with its input."""
    for position, step in enumerate(steps):
        if step["node_type"] == "Action":
            yield step, steps[position + 1]


def _made(action: Mapping[str, Any], step: Mapping[str, Any], number: int, position: int) -> Made:
    function = FunctionCall(name=action["description"], arguments=step["description"])
    call = ToolCall(id=f"call_{number}_{position}", function=function)
    return Made(call, Status(step["observation_code"]), step.get("observation", ""))


def _final_answer(arguments: str) -> str:
    """The answer within the arguments of `Finish`; the arguments where they are no JSON, which ToolBench lets pass."""
    try:
        return str(parse_arguments(arguments).get("final_answer", ""))
    except InvalidJsonError:
        return arguments


def _tool(function: Mapping[str, Any]) -> Tool:
    name, description = function["name"], function.get("description") or ""
    return Tool(function=FunctionDefinition(name=name, description=description, parameters=function["parameters"]))


def _system_prompt(generation: Mapping[str, Any]) -> str:
    lists = generation.get("train_messages") or []
    return str(lists[0][0]["content"]) if lists and lists[0][0]["role"] == "system" else ""


def _thoughts_alone(lists: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Messages of the chain that counts which call nothing."""
    if not lists:
        return []
    assistants = [message for message in lists[-1] if message["role"] == "assistant"]
    return [message["content"] for message in assistants if "function_call" not in message and message.get("content")]

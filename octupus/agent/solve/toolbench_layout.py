"""A solution in the layout of ToolBench's answer files.

An assistant message becomes a chain of nodes there: `Thought` for what it says, and `Action` and `Action Input` for
each call, one below the other. Calls that were not made, and requests that failed, have no place in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from octupus.agent.solve.messages import opening
from octupus.agent.solve.prompts import diversity_prompt
from octupus.agent.solve.tree import Made, SearchNode, Solution
from octupus.agent.tools.status import Status

ELO = 1000.0
"""What ToolBench writes for every node; nothing reads it."""
_FINISHED = (Status.ANSWERED, Status.GAVE_UP)


def answer_file(solution: Solution) -> dict[str, Any]:
    """What ToolBench's `to_json` gives, by the method: for chains its tries, for a search its tree."""
    is_search = not solution.method.startswith("CoT")
    layout = _Layout(solution, is_search)
    candidates = [layout.chain(node) for node in _ends(solution, is_search)]
    if not is_search:
        tries = [_last(root) for root in solution.roots]
        return {
            "win": solution.win,
            "try_count": len(tries),
            "trys": [{"chain": layout.chain(node), "win": node in solution.answers} for node in tries],
            "compare_candidates": candidates,
            "forward_args": _forward_args(solution, is_search),
            "answer_generation": _answer_generation(solution, is_search),
        }
    sizes = [layout.depths(root) for root in solution.roots]
    return {
        "win": solution.win,
        "tree": {
            "size": sum(map(len, sizes)),
            "max_length": 1 + max((depth for depths in sizes for depth in depths), default=-1),
            "tree": layout.tree(solution.roots[0]) if solution.roots else {},
        },
        "forward_args": _forward_args(solution, is_search),
        "compare_candidates": candidates,
        "answer_generation": _answer_generation(solution, is_search),
    }


class _Layout:
    """Nodes of ToolBench's format for the nodes of a solution."""

    def __init__(self, solution: Solution, is_search: bool) -> None:
        self._is_search = is_search
        self._finished = _finished(solution) if is_search else set()

    def chain(self, node: SearchNode) -> list[dict[str, Any]]:
        """From the root to the node, without the root and without what branches off."""
        return [step for each in node.path() if not each.failure for step in self._steps(each)]

    def tree(self, root: SearchNode) -> dict[str, Any]:
        """The root with everything below it."""
        top: dict[str, Any] = {**_step("Action Input", "", root.depth, len(_children(root))), "io_state": {}}
        top["children"] = []
        places = {root.number: top["children"]}
        for node in root.walk():
            if node is root or node.failure or node.parent is None:
                continue
            place = places[node.parent.number]
            for step in self._steps(node):
                step["children"] = []
                place.append(step)
                place = step["children"]
            places[node.number] = place
        return top

    def depths(self, root: SearchNode) -> list[int]:
        """The depth of each of ToolBench's nodes, the root's among them."""
        lengths = [(node.depth, len(_kinds(node))) for node in root.walk() if node is not root and not node.failure]
        return [root.depth, *(depth - back for depth, length in lengths for back in range(length))]

    def _steps(self, node: SearchNode) -> list[dict[str, Any]]:
        kinds = _kinds(node)
        steps = []
        for position, (kind, text, made) in enumerate(kinds):
            depth = node.depth - len(kinds) + position + 1
            is_last = position == len(kinds) - 1
            step = _step(kind, text, depth, len(_children(node)) if is_last else 1, made)
            if is_last:
                step["pruned"] = node.pruned or node.finish == "give_up_and_restart"
                step["expand_num"] = node.number if self._is_search else 0
            step["finished"] = (node.number, position) in self._finished
            steps.append(step)
        return steps


def _step(kind: str, text: str, depth: int, child_count: int, made: Made | None = None) -> dict[str, Any]:
    """One node, its keys in ToolBench's order."""
    step: dict[str, Any] = {
        "is_terminal": False,  # as ToolBench writes it for every node
        "pruned": False,
        "finished": False,
        "depth": depth,
        "node_type": kind,
        "description": text,
        "Elo": ELO,
    }
    if made is not None:
        if made.text:
            step["observation"] = made.text
        step["observation_code"] = int(made.status)
    step |= {"child_count": child_count, "expand_num": 0}
    return step | ({"io_state": {}} if made is not None else {})


def _kinds(node: SearchNode) -> list[tuple[str, str, Made | None]]:
    """A message's nodes: type, description, and for an input the call."""
    content = node.content or ""
    kinds: list[tuple[str, str, Made | None]] = [("Thought", content, None)] if node.spoken else []
    for made in node.executed:
        kinds.append(("Action", made.call.function.name, None))
        kinds.append(("Action Input", made.call.function.arguments, made))
    return kinds


def _finished(solution: Solution) -> set[tuple[int, int]]:
    """The nodes that ToolBench marks behind each answer: back through as many inputs as a search goes back."""
    marked: set[tuple[int, int]] = set()
    for answer in solution.answers:
        left = int(solution.settings.get("back_up", 2))
        steps = [
            (node.number, position, kind)
            for node in answer.path()
            for position, (kind, _, _) in enumerate(_kinds(node))
        ]
        for number, position, kind in reversed(steps):
            if left < 0:
                break
            marked.add((number, position))
            left -= kind == "Action Input"
    return marked


def _children(node: SearchNode) -> list[SearchNode]:
    return [child for child in node.children if not child.failure]


def _last(root: SearchNode) -> SearchNode:
    """The end of a chain."""
    node = root
    while _children(node):
        node = _children(node)[-1]
    return node


def _ends(solution: Solution, is_search: bool) -> list[SearchNode]:
    """The nodes whose chains are candidates."""
    if is_search:
        return solution.answers
    ends = [_last(root) for root in solution.roots]
    return [node for node in ends if not node.pruned and node.finish != "give_up_and_restart"]


def _forward_args(solution: Solution, is_search: bool) -> dict[str, Any]:
    given = solution.settings
    if not is_search:
        tries = int(solution.method.partition("@")[2])
        return {
            "single_chain_max_step": given.get("single_chain_max_step"),
            "pass_at": tries,
            "answer": given.get("answer"),
        }
    return {
        "single_chain_max_step": given.get("single_chain_max_step"),
        "tree_beam_size": int(solution.method.rpartition("_w")[2]),
        "max_query_count": given.get("max_query_count"),
        "answer": given.get("answer"),
        "with_filter": "woFilter" not in solution.method,
    }


def finish_arguments(solution: Solution) -> str:
    """What `Finish` was called with at the end that counts, as the model wrote it; empty without."""
    final = solution.final
    made = [made for made in final.made if made.status in _FINISHED] if final else []
    return made[0].call.function.arguments if made else ""


def is_valid(solution: Solution) -> bool:
    """What ToolBench calls valid data: an answer, or for a search a try that was given up."""
    final = solution.final
    if final is None or not final.terminal:
        return False
    return solution.win or not solution.method.startswith("CoT")


def _answer_generation(solution: Solution, is_search: bool) -> dict[str, Any]:
    valid, final = is_valid(solution), solution.final
    functions = [tool.function.model_dump() for tool in solution.tools]
    train = {"train_messages": train_messages(solution, final) if valid and final is not None else []}
    spent = {"query_count": solution.query_count, "total_tokens": solution.tokens_in + solution.tokens_out}
    answer = {"final_answer": finish_arguments(solution) if valid else ""}
    if not is_search:
        return {
            "valid_data": valid,
            **answer,
            "function": functions,
            **spent,
            **train,
            "chain": [],
            "query": solution.query,
        }
    finish_type = "give_up" if valid and not solution.win else "give_answer"
    return {
        "valid_data": valid,
        **spent,
        **answer,
        "finish_type": finish_type,
        "function": functions,
        "chain": [],
        **(train if valid else {}),
        "query": solution.query,
    }


def train_messages(solution: Solution, end: SearchNode) -> list[list[dict[str, Any]]]:
    """For each call or thought of a chain what came before it and itself, in the older form of function calls.

    As with ToolBench, a list of what siblings tried stays in it, marked as not valid. Requests to call something, which
    ToolBench does not make, are left out.
    """
    lists: list[list[dict[str, Any]]] = []
    past: list[dict[str, Any]] = list(opening(solution.system_prompt, solution.query))
    for node in end.path():
        diversity = diversity_prompt(node.parent, node.number) if node.diversity and node.parent else None
        if diversity is not None:
            past.append({"role": "user", "content": diversity, "valid": False})
        for message, result in _older_messages(node):
            past.append(message)
            lists.append(list(past))
            past += result
    return lists


def _older_messages(node: SearchNode) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """A node's message as messages of at most one call each, every one with the result that followed it."""
    if not node.executed:
        yield {"role": "assistant", "content": node.content or ""}, []
    for position, made in enumerate(node.executed):
        function = made.call.function
        message: dict[str, Any] = {"role": "assistant", "function_call": function.model_dump()}
        if position == 0 and node.spoken:
            message["content"] = node.content
        yield message, [{"role": "function", "name": function.name, "content": made.text}]

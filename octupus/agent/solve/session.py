"""One query being solved: asks for messages, makes their calls, and grows the tree by a node at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from octupus.agent.environment import Environment, States
from octupus.agent.solve.budget import Budget, SolvingStopped
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.events import Event, EventName, Listener
from octupus.agent.solve.finish import FINISH, RESULT_TEXTS, Finished, read_finish
from octupus.agent.solve.messages import following, opening
from octupus.agent.solve.prompts import diversity_prompt
from octupus.agent.solve.seeds import request_seed
from octupus.agent.solve.tree import Made, PruneReason, SearchNode, Solution
from octupus.agent.tools.status import Status
from octupus.conversation import FunctionCall, ToolCall, json_text
from octupus.endpoint.outcome import Answer, Failure, Outcome
from octupus.schema.validation import InvalidJsonError, parse_arguments

BROKEN_OFF = ("length", "content_filter")
"""Finish reasons of a message that is not whole."""


class Client(Protocol):
    """What a solver needs of `octupus.endpoint.client.EndpointClient`."""

    async def ask(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], **fields: Any) -> Outcome:
        """One assistant turn."""
        ...


@dataclass(frozen=True, slots=True)
class Branch:
    """A node, and what its children begin with."""

    node: SearchNode
    messages: tuple[dict[str, Any], ...]
    states: States
    calls: tuple[tuple[str, str, States], ...] = ()
    """Calls of the chain: tool, canonical arguments, and the states that each was made in."""
    silent: int = 0
    """Messages without a call at the chain's end."""


class Session:
    """The solution as it grows, and the one way to a further node: `expand`."""

    def __init__(
        self, solution: Solution, environment: Environment, client: Client, config: SolverConfig, listener: Listener
    ) -> None:
        self.solution = solution
        self.environment = environment
        self.client = client
        self.config = config
        self.budget = Budget(config)
        self._listener = listener
        self._start = environment.snapshot()
        self._states: dict[int, States] = {}
        self._tools = [tool.model_dump() for tool in solution.tools]
        self._made_nodes = 0

    def root(self) -> Branch:
        """A further tree, at the beginning."""
        root = SearchNode(number=self._number())
        self.solution.roots.append(root)
        return Branch(root, opening(self.solution.system_prompt, self.solution.query), self._start)

    def visit(self, node: SearchNode) -> bool:
        """Count a node's answer, if it gave one. Whether there are answers enough."""
        if node.finish == "give_answer" and node not in self.solution.answers:
            self.solution.answers.append(node)
        return len(self.solution.answers) >= self.config.answer

    def restore_final(self) -> None:
        """Bring the environment to where the chain that counts left it."""
        final = self.solution.final
        self.environment.restore(self._start if final is None else self._states[final.number])

    def tell(self, event: EventName, node: SearchNode, /, **data: Any) -> None:
        """Tell the listener."""
        parent = None if node.parent is None else node.parent.number
        self._listener(Event(event, node.number, parent, node.depth, data))

    async def expand(self, branch: Branch) -> Branch:
        """A further child of the branch's node, asked for and with its calls made.

        Raises SolvingStopped when nothing may be spent any more, or when the endpoint fails.
        """
        self.budget.check()
        parent, messages = branch.node, list(branch.messages)
        node = SearchNode(number=self._number(), parent=parent, depth=parent.depth)
        node.seed = request_seed(self.config.seed, self.solution.query_id, "node", node.number)
        diversity = diversity_prompt(parent, node.number)
        if diversity is not None:
            node.diversity = True
            messages.append({"role": "user", "content": diversity})
        self.tell("on_chain_start", node, diversity=node.diversity, siblings=len(parent.children))
        self.tell("on_llm_start", node, messages=len(messages), seed=node.seed)
        outcome = await self.client.ask(messages, self._tools, seed=node.seed)
        self.budget.count(outcome)
        parent.children.append(node)
        if isinstance(outcome, Failure):
            raise self._failed(node, outcome)
        child = await self._follow(branch, node, outcome)
        self._states[node.number] = child.states
        self.tell("on_chain_end", node, pruned=node.pruned, why_pruned=node.why_pruned)
        return child

    def _number(self) -> int:
        self._made_nodes += 1
        return self._made_nodes - 1

    def _failed(self, node: SearchNode, failure: Failure) -> SolvingStopped:
        node.failure = f"{failure.reason}: {failure.detail}"
        _prune(node, "endpoint")
        self.tell("on_error", node, reason=failure.reason, detail=failure.detail)
        self.tell("on_chain_end", node, pruned=True, why_pruned=node.why_pruned)
        return SolvingStopped(f"endpoint: {failure.reason}")

    async def _follow(self, branch: Branch, node: SearchNode, answer: Answer) -> Branch:
        """Act upon a message: make its calls, and see whether the chain goes on."""
        node.content, node.tokens_in, node.tokens_out = answer.content, answer.tokens_in, answer.tokens_out
        calls = _with_ids(answer.tool_calls, node.number)
        self.tell(
            "on_llm_end",
            node,
            content=node.content,
            calls=[call.model_dump() for call in calls],
            finish_reason=answer.finish_reason,
            tokens_in=node.tokens_in,
            tokens_out=node.tokens_out,
        )
        self.environment.restore(branch.states)
        past = list(branch.calls)
        if answer.finish_reason in BROKEN_OFF:
            node.made = [_not_made(call, "the message broke off") for call in calls]
            _prune(node, "broke_off")
        else:
            node.made = await self._make_all(node, calls, past)
        node.depth += int(node.spoken) + 2 * len(node.executed)
        silent = 0 if calls else branch.silent + 1
        if not node.terminal and silent > self.config.nudges:
            _prune(node, "no_call")
        if not node.terminal and node.depth >= self.config.single_chain_max_step:
            _prune(node, "max_step")
        messages = (*branch.messages, *following(node))
        return Branch(node, messages, self.environment.snapshot(), tuple(past), silent)

    async def _make_all(
        self, node: SearchNode, calls: Sequence[ToolCall], past: list[tuple[str, str, States]]
    ) -> list[Made]:
        """The calls one after the other, `Finish` after the others; what each gave, in the message's order."""
        results: dict[int, Made] = {}
        for position in sorted(range(len(calls)), key=lambda position: calls[position].function.name == FINISH):
            call = calls[position]
            if node.terminal or node.pruned:
                results[position] = _not_made(call, "the attempt had ended")
                continue
            if call.function.name != FINISH and len(results) >= self.config.max_calls:
                results[position] = _not_made(call, f"one message may make {self.config.max_calls} calls")
                continue
            key = (call.function.name, _canonical(call.function.arguments), self.environment.snapshot())
            if past.count(key) >= self.config.repeats:
                results[position] = _not_made(call, f"it had been made {self.config.repeats} times in the same state")
                _prune(node, "loop")
                continue
            past.append(key)
            results[position] = await self._make(node, call)
        return [results[position] for position in range(len(calls))]

    async def _make(self, node: SearchNode, call: ToolCall) -> Made:
        name, arguments = call.function.name, call.function.arguments
        self.tell("on_agent_action", node, name=name, arguments=arguments, id=call.id)
        self.tell("on_tool_start", node, name=name, arguments=arguments, id=call.id)
        if name == FINISH:
            made = self._finish(node, call)
        else:
            result = await self.environment.call(name, arguments)
            made = Made(call, result.status, shown(result.text, self.config.observation_characters))
        self.tell("on_tool_end", node, name=name, id=call.id, status=int(made.status), text=made.text)
        if node.terminal:
            self.tell("on_agent_end", node, finish=node.finish, final_answer=node.final_answer)
        return made

    def _finish(self, node: SearchNode, call: ToolCall) -> Made:
        finished = read_finish(call.function.arguments)
        if not isinstance(finished, Finished):
            return Made(call, Status.BAD_INPUT, finished)
        node.finish, node.final_answer = finished.type, finished.answer
        return Made(call, finished.status, RESULT_TEXTS[finished.status])


def shown(text: str, characters: int) -> str:
    """A tool result as a model is shown it: cut after so many characters, and then marked."""
    return text if len(text) <= characters else text[:characters] + "..."


def _prune(node: SearchNode, reason: PruneReason) -> None:
    """The first reason counts."""
    if not node.pruned:
        node.pruned, node.why_pruned = True, reason


def _not_made(call: ToolCall, why: str) -> Made:
    return Made(call, Status.BAD_INPUT, f"the call was not made: {why}", ran=False)


def _canonical(arguments: str) -> str:
    try:
        return json_text(parse_arguments(arguments), sort_keys=True)
    except InvalidJsonError:
        return arguments


def _with_ids(calls: Sequence[ToolCall], number: int) -> list[ToolCall]:
    """The calls with ids by which results can be told apart; some endpoints give none, or the same to all."""
    if len({call.id for call in calls} - {""}) == len(calls):
        return list(calls)
    return [
        ToolCall(id=f"call_{number}_{position}", function=FunctionCall(**call.function.model_dump()))
        for position, call in enumerate(calls)
    ]

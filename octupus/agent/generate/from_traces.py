"""Solved queries as conversations: the chain of the answer, executed once more to see that it is true.

`Finish` leaves the conversation: its answer becomes the assistant's last words. So do calls that were not made. A
message of which a call failed stays, untrained, as long as something after it went well. Thoughts without a call go in
front of the next message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from octupus.agent.environment import Environment
from octupus.agent.generate.reasons import TraceDrop, TraceReason
from octupus.agent.generate.tasks import Task
from octupus.agent.judge.golden import answer_matches
from octupus.agent.judge.rule_judge import same_json
from octupus.agent.solve.finish import FINISH
from octupus.agent.solve.session import shown
from octupus.agent.solve.tree import Made, SearchNode, Solution
from octupus.agent.tools.status import Status
from octupus.conversation import Conversation, FunctionCall, Message, Tool, ToolCall, json_text
from octupus.data.repair import repair
from octupus.data.sources.turns import in_schema_order
from octupus.schema.validation import InvalidJsonError, parse_arguments

SOURCE = "traces"
_SHOWN_CHARACTERS = 1024
"""Of a tool result, where a trace does not say how much the model was shown."""

OpenEnvironment = Callable[[Solution], Awaitable[Environment | None]]
"""A fresh environment like the one that the query was solved in; None where nobody knows it."""


@dataclass
class TraceCounts:
    """Every solution is either kept or dropped for one reason."""

    read: int = 0
    kept: int = 0
    dropped: Counter[TraceReason] = field(default_factory=Counter)
    examples: dict[TraceReason, str] = field(default_factory=dict)
    """The first detail of each reason."""

    def drop(self, drop: TraceDrop) -> None:
        """Count one that is not kept."""
        self.dropped[drop.reason] += 1
        self.examples.setdefault(drop.reason, drop.detail)


async def conversations(
    solutions: Iterable[Solution | TraceDrop],
    open_environment: OpenEnvironment,
    counts: TraceCounts,
    tasks: dict[str, Task] | None = None,
    keep_system_prompt: bool = False,
) -> AsyncIterator[Conversation]:
    """The conversations of solutions that hold what they say; `tasks`, by query id, say what is right.

    A TraceDrop among the solutions is a file that could not be read; it is counted with the others.
    """
    seen: set[str] = set()
    for solution in solutions:
        counts.read += 1
        made = (
            solution
            if isinstance(solution, TraceDrop)
            else await _verified(solution, open_environment, (tasks or {}).get(solution.query_id), keep_system_prompt)
        )
        if isinstance(made, Conversation) and made.id in seen:
            made = TraceDrop(TraceReason.DUPLICATE, made.meta["query_id"])
        if isinstance(made, TraceDrop):
            counts.drop(made)
            continue
        seen.add(made.id)
        counts.kept += 1
        yield made


async def _verified(
    solution: Solution, open_environment: OpenEnvironment, task: Task | None, keep_system_prompt: bool
) -> Conversation | TraceDrop:
    nodes = _answering(solution)
    if isinstance(nodes, TraceDrop):
        return nodes
    environment = await open_environment(solution)
    if environment is None:
        return TraceDrop(TraceReason.UNKNOWN_QUERY, solution.query_id)
    differs = await _executed_again(solution, nodes, environment) or (_wrong(solution, task) if task else None)
    if differs:
        return differs
    made = conversation(solution, nodes, keep_system_prompt)
    mended = repair(made)
    if isinstance(mended, tuple):
        stage, (reason, detail) = mended
        return TraceDrop(TraceReason.CHECKS, f"{stage}: {reason}: {detail}")
    if any(flag.startswith("cut_") for flag in mended.flags):
        return TraceDrop(TraceReason.CHECKS, ", ".join(mended.flags))
    return mended


def _answering(solution: Solution) -> list[SearchNode] | TraceDrop:
    """The messages of the chain that answers, or why there is nothing to learn from it."""
    final = solution.final
    if final is None or final.finish != "give_answer":
        return TraceDrop(TraceReason.NO_ANSWER, solution.stopped or "no chain came to an answer")
    if not final.final_answer.strip():
        return TraceDrop(TraceReason.EMPTY_ANSWER, solution.query_id)
    nodes = final.path()
    calls = [made for node in nodes for made in _calls(node)]
    if not calls:
        return TraceDrop(TraceReason.NO_CALL, solution.query_id)
    for made in calls:
        try:
            parse_arguments(made.call.function.arguments)
        except InvalidJsonError as error:
            return TraceDrop(TraceReason.UNREADABLE_ARGUMENTS, f"{made.call.function.name}: {error}")
    if calls[-1].status is not Status.OK:
        return TraceDrop(TraceReason.ENDS_IN_ERROR, f"{calls[-1].call.function.name}: {calls[-1].text[:200]}")
    return nodes


def _calls(node: SearchNode) -> list[Made]:
    """The calls of a message that were made of the environment, in their order."""
    return [made for made in node.made if made.ran and made.call.function.name != FINISH]


async def _executed_again(
    solution: Solution, nodes: Sequence[SearchNode], environment: Environment
) -> TraceDrop | None:
    characters = int(solution.settings.get("observation_characters", _SHOWN_CHARACTERS))
    for node in nodes:
        for made in _calls(node):
            function = made.call.function
            result = await environment.call(function.name, function.arguments)
            text = shown(result.text, characters)
            if (result.status, text) != (made.status, made.text):
                detail = f"{function.name} {function.arguments} gave {made.text[:200]} first and {text[:200]} then"
                return TraceDrop(TraceReason.NOT_REPEATED, detail)
    if not same_json(environment.state(), solution.state):
        return TraceDrop(TraceReason.OTHER_STATE, solution.query_id)
    return None


def _wrong(solution: Solution, task: Task) -> TraceDrop | None:
    """What is not as the task's golden answer has it. Of the states only those of its modules are compared."""
    final, golden = solution.final, task.golden
    assert final is not None  # there is an answer
    for module, state in golden.state.items():
        if not same_json(solution.state.get(module), state):
            return TraceDrop(TraceReason.WRONG, f"{solution.query_id}: the state of {module} is another")
    if golden.answers and not answer_matches(task.for_judge(), final.final_answer):
        return TraceDrop(TraceReason.WRONG, f"{solution.query_id}: {final.final_answer[:200]}")
    return None


def conversation(solution: Solution, nodes: Sequence[SearchNode], keep_system_prompt: bool) -> Conversation:
    """The chain of an answer as messages."""
    tools = tuple(tool for tool in solution.tools if tool.function.name != FINISH)
    messages: list[Message] = []
    if keep_system_prompt and solution.system_prompt.strip():
        messages.append(Message(role="system", content=solution.system_prompt))
    messages.append(Message(role="user", content=solution.query))
    loss = [False] * len(messages)
    thoughts: list[str] = []
    for node in nodes:
        if node.content and node.content.strip():
            thoughts.append(node.content)
        calls = _calls(node)
        if not calls:
            continue
        message, results = _exchange(calls, "\n\n".join(thoughts) or None, tools)
        messages += [message, *results]
        loss += [all(made.status is Status.OK for made in calls), *([False] * len(results))]
        thoughts = []
    final = nodes[-1]
    messages.append(Message(role="assistant", content=final.final_answer))
    loss.append(True)
    trains_all = all(trained or message.role != "assistant" for trained, message in zip(loss, messages, strict=True))
    return Conversation(
        messages=tuple(messages),
        tools=tools,
        loss=() if trains_all else tuple(loss),
        source=SOURCE,
        meta={"query_id": solution.query_id, "method": solution.method},
    )


def _exchange(calls: Sequence[Made], content: str | None, tools: Sequence[Tool]) -> tuple[Message, list[Message]]:
    schemas = {tool.function.name: tool.function.parameters for tool in tools}
    message = Message(
        role="assistant",
        content=content,
        tool_calls=tuple(ToolCall(id=made.call.id, function=_canonical(made.call.function, schemas)) for made in calls),
    )
    results = [Message(role="tool", content=made.text, tool_call_id=made.call.id) for made in calls]
    return message, results


def _canonical(function: FunctionCall, schemas: dict[str, dict[str, object]]) -> FunctionCall:
    arguments = in_schema_order(parse_arguments(function.arguments), schemas.get(function.name))
    return FunctionCall(name=function.name, arguments=json_text(arguments))

"""A judge that needs no endpoint: it compares the final state, the answer and the calls with golden ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from octupus.agent.judge.converted import ConvertedAnswer
from octupus.agent.judge.golden import Golden, GoldenCall, answer_matches
from octupus.agent.judge.verdict import Verdict
from octupus.conversation import json_text
from octupus.errors import EvaluationError


class RuleJudge:
    """Solved when everything holds that the query's golden answer gives. Never unsure, and every vote is the same."""

    def __init__(self, golden: Mapping[str, Golden]) -> None:
        self._golden = golden

    async def answer_status(self, answer: ConvertedAnswer, vote: int) -> Verdict:
        """Whether all that is golden holds; the reason names what does not."""
        golden = self._of(answer)
        wrong = [] if golden.looks_at_answers else ["the query cannot be solved, so the answer is made up"]
        if golden.state is not None and not same_json(self._state(answer, golden.state), golden.state):
            wrong.append("the final state is another one")
        if golden.answers and not answer_matches(golden, answer.answer_text):
            wrong.append(f"the answer does not match ({golden.match}) {', '.join(golden.answers)}")
        for call in golden.calls:
            if not self._made(call, answer):
                shown = "" if call.arguments is None else f" with {json_text(call.arguments)}"
                wrong.append(f"{call.name} was not called{shown}")
        return Verdict("Unsolved", "; ".join(wrong)) if wrong else Verdict("Solved", "as the golden answer has it")

    async def answer_status_from_steps(self, answer: ConvertedAnswer, vote: int) -> Verdict:
        """The same; this judge is never unsure."""
        return await self.answer_status(answer, vote)

    async def task_status(self, answer: ConvertedAnswer, vote: int) -> Verdict:
        """Unsolvable where the golden answer says so and nothing was made up: giving up is then what passes."""
        unsolvable = not self._of(answer).solvable and (answer.gave_up or not answer.answer_text)
        return Verdict("Unsolvable" if unsolvable else "Solvable", "as the golden answer has it")

    async def preference(self, first: ConvertedAnswer, second: ConvertedAnswer, vote: int) -> Verdict:
        """None: rules only tell right from wrong, which the pass rate has decided before."""
        return Verdict("tie", "rules prefer nothing")

    def _of(self, answer: ConvertedAnswer) -> Golden:
        if answer.query_id not in self._golden:
            raise EvaluationError(f"query {answer.query_id} has no golden answer; add it, or leave the query out")
        return self._golden[answer.query_id]

    def _state(self, answer: ConvertedAnswer, golden_state: Mapping[str, Any]) -> Mapping[str, Any]:
        if answer.state is None and golden_state:
            raise EvaluationError(
                f"query {answer.query_id} has a golden state, but its answer holds none; give the directory of answers "
                "that annotate wrote, since converted files leave the state out"
            )
        # What the golden state does not name may be in any state: a toolbox may hold more than the task was made for.
        return {name: value for name, value in (answer.state or {}).items() if name in golden_state}

    def _made(self, call: GoldenCall, answer: ConvertedAnswer) -> bool:
        # The chain alone: what an abandoned branch did was undone.
        made = [step for step in answer.chain if step.role == "tool" and step.name == call.name]
        if call.arguments is None:
            return bool(made)
        if any(step.arguments is None for step in made):
            raise EvaluationError(
                f"query {answer.query_id}: the file cuts off the arguments of {call.name}, so they cannot be compared"
            )
        return any(_has(step.arguments or "", call.arguments) for step in made)


def same_json(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON: order of members does not count, 1 and 1.0 are one number, true is none."""
    return _canonical(left) == _canonical(right)


def _canonical(value: Any) -> str:
    return json.dumps(_numbers_alike(value), sort_keys=True)


def _numbers_alike(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbers_alike(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers_alike(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _has(arguments: str, wanted: Mapping[str, Any]) -> bool:
    try:
        made = json.loads(arguments)
    except ValueError:
        return False
    return isinstance(made, dict) and all(name in made and same_json(made[name], wanted[name]) for name in wanted)

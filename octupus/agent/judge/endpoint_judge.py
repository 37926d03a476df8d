"""Any OpenAI-compatible endpoint as judge: verdicts by a JSON schema, a seed a vote, every reply written down."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from octupus.agent.judge.converted import ConvertedAnswer
from octupus.agent.judge.ledger import Reply, VoteKey, VoteLedger
from octupus.agent.judge.prompts import (
    ANSWER_STATUS,
    ANSWER_STATUS_FROM_STEPS,
    PREFERENCE,
    TASK_STATUS,
    JudgeTask,
    answer_material,
    digest_of,
    preference_material,
    steps_material,
    task_material,
)
from octupus.agent.judge.statistics import seed_of
from octupus.agent.judge.verdict import Missing, Verdict
from octupus.endpoint.client import EndpointClient
from octupus.endpoint.outcome import Answer, Failure

MAX_FAILURES_IN_A_ROW = 20
"""After so many requests without an answer the endpoint is taken for gone, and no further ones are sent."""


class EndpointJudge:
    """Asks for votes that the ledger does not have.

    A reply that is no valid verdict is asked for again with another seed, up to `attempts` times; then, as after a
    failure of the endpoint, the vote is missing. Another run asks again for votes that failed, and for invalid ones
    when it allows more attempts.
    """

    def __init__(
        self, client: EndpointClient, ledger: VoteLedger, seed: int, attempts: int = 3, concurrency: int = 16
    ) -> None:
        self._client, self._ledger, self._seed, self._attempts = client, ledger, seed, attempts
        self._gate = asyncio.Semaphore(concurrency)
        self._asking: dict[VoteKey, asyncio.Task[Verdict | Missing]] = {}
        self._failures_in_a_row = 0

    async def answer_status(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """Whether the final answer solves the query."""
        return await self._vote(ANSWER_STATUS, answer_material(answer), answer.query_id, vote)

    async def answer_status_from_steps(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """The same by all steps."""
        return await self._vote(ANSWER_STATUS_FROM_STEPS, steps_material(answer), answer.query_id, vote)

    async def task_status(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """Whether the query can be solved with the offered tools."""
        return await self._vote(TASK_STATUS, task_material(answer), answer.query_id, vote)

    async def preference(self, first: ConvertedAnswer, second: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """Which of two answers is better."""
        return await self._vote(PREFERENCE, preference_material(first, second), first.query_id, vote)

    async def _vote(self, task: JudgeTask, material: dict[str, Any], query_id: str, vote: int) -> Verdict | Missing:
        messages = task.messages(material)
        key = VoteKey(task.name, query_id, vote, digest_of(messages))
        # Candidates share votes on the same text, such as whether a query can be solved: asked once, also at once.
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(self._ask(task, messages, key))
        return await asking

    async def _ask(self, task: JudgeTask, messages: list[dict[str, Any]], key: VoteKey) -> Verdict | Missing:
        while True:
            state = self._ledger.state(key)
            if state.verdict is not None:
                return state.verdict
            if state.invalid >= self._attempts:
                return Missing(state.last)
            async with self._gate:
                if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
                    return Missing(f"not asked: the endpoint failed {MAX_FAILURES_IN_A_ROW} times in a row")
                seed = seed_of(self._seed, key.task, key.query_id, key.vote, state.invalid)
                outcome = await self._client.ask(messages, [], seed=seed, response_format=task.response_format)
                # Inside the gate, so that a slow disk slows the asking and nothing piles up.
                self._ledger.add(key, _reply(task, outcome, seed))
            if isinstance(outcome, Failure):
                self._failures_in_a_row += 1
                return Missing(self._ledger.state(key).last)
            self._failures_in_a_row = 0


def _reply(task: JudgeTask, outcome: Answer | Failure, seed: int) -> Reply:
    if isinstance(outcome, Failure):
        return Reply("failure", seed, reason=f"{outcome.reason}: {outcome.detail}")
    tokens_in, tokens_out = outcome.tokens_in, outcome.tokens_out
    try:
        verdict = read_verdict(task, outcome)
    except ValueError as error:
        return Reply("invalid", seed, "", str(error), outcome.content, tokens_in, tokens_out)
    return Reply("verdict", seed, verdict.status, verdict.reason, None, tokens_in, tokens_out)


def read_verdict(task: JudgeTask, answer: Answer) -> Verdict:
    """The verdict of a reply. Raises ValueError when it is anything else than one whole object of the task's schema."""
    if answer.finish_reason != "stop":
        raise ValueError(f"the reply ended by {answer.finish_reason}")
    try:
        value = json.loads(answer.content or "", object_pairs_hook=_pairs)
    except RecursionError as error:
        raise ValueError("the reply is nested too deeply") from error
    if not isinstance(value, dict) or set(value) != {"status", "reason"}:
        raise ValueError("the reply is no object of a status and a reason")
    if value["status"] not in task.statuses:
        raise ValueError(f"status {str(value['status'])[:80]!r} is none of {', '.join(task.statuses)}")
    if not isinstance(value["reason"], str):
        raise ValueError("the reason is no text")
    return Verdict(value["status"], value["reason"])


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("the reply has a member twice")
    return value

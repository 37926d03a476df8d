"""One run of call-level evaluation: check the endpoint, ask what is missing, score, and write the results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from octupus.conversation import Conversation
from octupus.evaluate.calls.ask import ask_all, reply_from_json, reply_to_json, unanswered
from octupus.evaluate.calls.config import EvaluateCallsConfig
from octupus.evaluate.calls.dataset import Dataset, load_dataset
from octupus.evaluate.calls.dialogue import INITIAL_STATE, Dialogue, hold, score_dialogue
from octupus.evaluate.calls.endpoint import Endpoint, EndpointError
from octupus.evaluate.calls.environment import MakeEnvironment, load_environment
from octupus.evaluate.calls.ledger import Ledger, read_ledger, refuse_foreign
from octupus.evaluate.calls.question import Key, Question
from octupus.evaluate.calls.report import write_report
from octupus.evaluate.calls.request_score import score_request
from octupus.evaluate.calls.results import Results
from octupus.evaluate.calls.summary import summary_text
from octupus.evaluate.calls.totals import grouped, totals
from octupus.telemetry import event, write_json, write_run_record

REPLIES = "replies.jsonl"
DIALOGUES = "dialogues.jsonl"
SCORES = "calls.json"
REPORT = "report.html"

logger = logging.getLogger(__name__)


async def evaluate_calls(config: EvaluateCallsConfig) -> str:
    """Ask what has no answer yet, write all results, and give the table that sums them up.

    Called again with the same output, it asks only what is missing or failed. Raises OctupusError; where that is the
    endpoint's, the data's or the settings' fault, nothing has been written.
    """
    make = load_environment(config.environment.python_class) if config.environment else None
    refuse_foreign(config.output, REPLIES)
    async with Endpoint(config.endpoint) as endpoint:
        begun = (config.output / REPLIES).exists()
        if not begun:
            await endpoint.check()  # before the data are read, which may take a while
        dataset = load_dataset(config.data, config.split, config.positions, config.limit)
        run = _Run(config, dataset, make, endpoint)
        if begun and run.left:
            await endpoint.check()
        event(
            logger, "planned", requests=len(dataset.questions), left_to_ask=run.left, left_out=dataset.skipped.total()
        )
        if run.left:
            await run.ask()
    results = run.results()
    if results.overall.failed == results.overall.requests:
        raise EndpointError(
            f"all {results.overall.requests} requests failed, the first with {results.replies[0].error}; mend the "
            "endpoint and start the same command again"
        )
    write_run_record(config.output, config)
    write_json(config.output / SCORES, results.to_json())
    write_report(config.output / REPORT, results)
    return f"{summary_text(results)}{config.output / REPORT}"


class _Run:
    """The questions of a run with the answers there are, and what is left to ask."""

    def __init__(
        self, config: EvaluateCallsConfig, dataset: Dataset, make: MakeEnvironment | None, endpoint: Endpoint
    ) -> None:
        self._config, self._dataset, self._make, self._endpoint = config, dataset, make, endpoint
        settings = _settings(config, dataset)
        self._questions: dict[Key, Question] = {question.key: question for question in dataset.questions}
        self._replies = read_ledger(config.output / REPLIES, settings)
        self._dialogues: Ledger | None = None
        self._conversations: dict[Key, Conversation] = {}
        if config.environment is not None:
            executed = {**settings, "environment": config.environment.model_dump(mode="json")}
            self._dialogues = read_ledger(config.output / DIALOGUES, executed)
            self._conversations = {
                (conversation.id, 0): conversation
                for conversation in dataset.conversations
                if conversation.kind != "no_call"
            }

    @property
    def left(self) -> int:
        """Requests and conversations without an answer."""
        held = self._dialogues.answers if self._dialogues else {}
        return len(unanswered(self._questions, self._replies.answers)) + len(unanswered(self._conversations, held))

    async def ask(self) -> None:
        """Ask what is left; conversations after single requests."""
        await self._ask("asking", self._replies, self._questions, self._reply)
        if self._dialogues is not None:
            await self._ask("conversing", self._dialogues, self._conversations, self._dialogue)

    async def _ask(
        self,
        description: str,
        ledger: Ledger,
        keyed: dict[Key, Any],
        ask: Callable[[Any], Coroutine[Any, Any, dict[str, Any]]],
    ) -> None:
        with ledger.open():
            pending = unanswered(keyed, ledger.answers)
            await ask_all(description, pending, ask, ledger, self._config.endpoint.concurrency)

    async def _reply(self, question: Question) -> dict[str, Any]:
        return reply_to_json(await self._endpoint.ask(question.request.messages, question.request.tools))

    async def _dialogue(self, conversation: Conversation) -> dict[str, Any]:
        assert self._make is not None
        assert self._config.environment is not None
        environment = self._make(conversation.meta.get(INITIAL_STATE))
        return await hold(conversation, self._endpoint.ask, environment, self._config.environment.max_steps)

    def results(self) -> Results:
        """All answers scored; every question has one."""
        questions = self._dataset.questions
        replies = [reply_from_json(self._replies.answers[question.key]) for question in questions]
        scores = [score_request(question.request, reply) for question, reply in zip(questions, replies, strict=True)]
        return Results(
            config=self._config,
            dataset=self._dataset,
            replies=replies,
            scores=scores,
            overall=totals(scores),
            groups=grouped(questions, scores),
            dialogues=self._held(),
        )

    def _held(self) -> list[Dialogue]:
        if self._dialogues is None or self._make is None:
            return []
        held = []
        for key, conversation in self._conversations.items():
            record = self._dialogues.answers[key]
            held.append(Dialogue(conversation, record, score_dialogue(conversation, record, self._make)))
        return held


def _settings(config: EvaluateCallsConfig, dataset: Dataset) -> dict[str, Any]:
    """What answers depend on: the endpoint, how it samples, and the data; not how fast or how much is asked."""
    names = ("base_url", "model", "temperature", "max_tokens", "extra_body")
    return {"dataset_sha256": dataset.sha256, **config.endpoint.model_dump(mode="json", include=set(names))}

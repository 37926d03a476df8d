"""Answers one admitted request: as many answers as it asks for, generated side by side, and a last check of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict

from octupus.chat.dialect import Delta
from octupus.chat.registry import ModelChat
from octupus.serve.answers.answer import Answer
from octupus.serve.answers.text import TextParser
from octupus.serve.ingress.admission import Admitted
from octupus.serve.ingress.explanation import SCORED_TOKENS, explanation_of
from octupus.serve.ingress.generation import Job, Replicas, generate, scores
from octupus.serve.ingress.last_check import invalid_calls, invalid_content
from octupus.telemetry import event

logger = logging.getLogger("octupus.serve.ingress")

Progress = tuple[Answer, list[Delta]]
"""What has been added to one of the answers."""


class Turn:
    """One request being answered."""

    def __init__(
        self,
        request_id: str,
        chat: ModelChat,
        replicas: Replicas,
        admitted: Admitted,
        failover_timeout_s: float,
        on_failover: Callable[[], None] = lambda: None,
        first_index: int = 0,
    ) -> None:
        """`first_index` counts the answers of earlier prompts of the same request."""
        self.request_id = request_id
        self.admitted = admitted
        self._chat = chat
        self._replicas = replicas
        self._failover_timeout_s = failover_timeout_s
        self._on_failover = on_failover
        self.answers = [self._answer(first_index + choice) for choice in range(admitted.choices)]

    async def progress(self) -> AsyncGenerator[Progress]:
        """Deltas as they are generated. Leaving early, as when the client is gone, aborts what is being generated.

        Raises EngineError when the replicas cannot answer.
        """
        if len(self.answers) == 1:
            async for item in self._one(self.answers[0], 0):
                yield item
            return
        async for item in merged([self._one(answer, choice) for choice, answer in enumerate(self.answers)]):
            yield item

    async def finish(self) -> list[str]:
        """Check the finished answers once more, whatever the constraint promised; what is wrong, which is nothing."""
        problems: list[str] = []
        for answer in self.answers:
            problems += await self._check(answer)
        return problems

    async def explain(self) -> None:
        """Note how the constraint acted: the engine reads the answer once more."""
        answer = self.answers[0]
        found = await scores(
            self._replicas, self._job(0), answer.ids, SCORED_TOKENS, self._failover_timeout_s, self._on_failover
        )
        # Off the loop: every mask of the turn is made again.
        answer.notes["explanation"] = await asyncio.to_thread(explanation_of, self.admitted, answer.ids, found)

    def _answer(self, index: int) -> Answer:
        tokenizer, admitted = self._chat.tokenizer, self.admitted
        control = tokenizer.control_tokens.values()
        if admitted.is_text:
            return Answer(TextParser(tokenizer), len(admitted.prompt_ids), admitted.stop, control=control, index=index)
        layout = self._chat.dialect.layout(tokenizer)
        thinking = None if layout.think is None or layout.think_end is None else (layout.think, layout.think_end)
        parser = self._chat.dialect.parser(tokenizer)
        return Answer(parser, len(admitted.prompt_ids), admitted.stop, thinking, control, index)

    def _job(self, choice: int) -> Job:
        admitted = self.admitted
        request_id = self.request_id if len(self.answers) == 1 else f"{self.request_id}-{choice}"
        return Job(request_id, admitted.prompt_ids, admitted.drawn(choice), admitted.spec, admitted.adapter)

    async def _one(self, answer: Answer, choice: int) -> AsyncGenerator[Progress]:
        items = generate(
            self._replicas, self._job(choice), self._chat.tokenizer.end_id, self._failover_timeout_s, self._on_failover
        )
        async with aclosing(items):
            async for item in items:
                deltas = answer.push(item)
                if deltas or item.finish_reason is not None:
                    yield answer, deltas
                if answer.stopped:
                    return

    async def _check(self, answer: Answer) -> list[str]:
        admitted = self.admitted
        if admitted.turn is None or answer.finished_by != "stop":
            return []
        # Off the loop: where it must be looked at, the turn is followed once more.
        answer.cut_short = not answer.stopped and await asyncio.to_thread(admitted.hurried, answer.ids)
        message = answer.message
        calls = [(call.function.name, call.function.arguments) for call in message.tool_calls]
        problems = invalid_calls(calls, admitted.tools) + invalid_content(message, admitted.content)
        if answer.malformed is not None:
            problems.append(answer.malformed)
        if admitted.checked:
            answer.notes["checked"] = [
                {"tool": name or None, **asdict(item)} for name, items in admitted.checked.items() for item in items
            ]
            answer.notes["violations"] = problems
            return []
        if problems:
            event(logger, "invalid_tool_call", id=self.request_id, problems="; ".join(problems))
        return problems


async def merged(sources: Sequence[AsyncGenerator[Progress]]) -> AsyncGenerator[Progress]:
    """The items of all sources as they come. An error of one ends all; leaving early closes all."""
    items: asyncio.Queue[Progress | None] = asyncio.Queue()

    async def drain(source: AsyncGenerator[Progress]) -> None:
        async with aclosing(source):
            async for item in source:
                items.put_nowait(item)

    tasks = [asyncio.create_task(drain(source)) for source in sources]
    for task in tasks:
        task.add_done_callback(lambda _: items.put_nowait(None))
    try:
        running = len(tasks)
        while running:
            item = await items.get()
            if item is not None:
                yield item
                continue
            running -= 1
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

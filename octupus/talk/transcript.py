"""The state of a conversation, and one round after another until the model answers without a call."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from openai.types.chat import ChatCompletionChunk

from octupus.errors import EngineError
from octupus.talk.python_tools import Result
from octupus.talk.rendering import AnswerView, Span, result_span
from octupus.talk.streamed_answer import Call, StreamedAnswer

Message: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[Sequence[Message]], Generator[ChatCompletionChunk, None, None]]
"""Sends messages to a model, and gives the chunks of its answer; closing it aborts the answer."""
ResultOf: TypeAlias = Callable[[Call], Result | None]
"""Gives the result of a call; None where nobody can, which ends the answer."""


@dataclass
class Transcript:
    """What has been said. Holds whole exchanges only: an answer that breaks off leaves no trace."""

    system: str | None = None
    messages: list[Message] = field(default_factory=list)
    """Without the system message."""

    def to_send(self) -> list[Message]:
        """The messages of the next request."""
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, *self.messages]

    def reset(self) -> None:
        """Forget what was said; the system message stays."""
        self.messages.clear()

    def exchange(
        self, prompt: str, ask: Ask, result_of: ResultOf, show: Callable[[Span], None], max_rounds: int
    ) -> None:
        """Send a prompt, and calls' results as long as there are calls, at most `max_rounds` requests.

        On any error, and on Ctrl-C, the conversation is what it was before the prompt.
        """
        before = len(self.messages)
        whole = False
        self.messages.append({"role": "user", "content": prompt})
        try:
            for _ in range(max_rounds):
                answer = self._answer(ask, show)
                if not answer.calls or not self._results(answer.calls, result_of, show):
                    break
            else:
                show(Span(f"stopped after {max_rounds} rounds of calls (--max-rounds)\n", "yellow"))
            whole = True
        finally:
            if not whole:
                del self.messages[before:]

    def _answer(self, ask: Ask, show: Callable[[Span], None]) -> StreamedAnswer:
        answer, view = StreamedAnswer(), AnswerView()
        try:
            with closing(ask(self.to_send())) as chunks:
                for chunk in chunks:
                    for piece in answer.push(chunk):
                        for span in view.push(piece):
                            show(span)
        finally:
            for span in view.end():
                show(span)
        if answer.finish_reason is None:
            raise EngineError("the stream ended in the middle of the answer; ask again, and look at the server's log")
        if answer.finish_reason == "length":
            show(Span("the answer used up its tokens (--max-tokens)\n", "yellow"))
        self.messages.append(answer.message())
        return answer

    def _results(self, calls: Sequence[Call], result_of: ResultOf, show: Callable[[Span], None]) -> bool:
        for call in calls:
            result = result_of(call)
            if result is None:
                return False
            show(result_span(result))
            self.messages.append({"role": "tool", "tool_call_id": call.id, "content": result.text})
        return True

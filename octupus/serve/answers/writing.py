"""How a request's answers become bytes, streamed or whole, the same way for every route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel

from octupus.chat.dialect import Delta
from octupus.serve.answers.answer import Answer
from octupus.serve.answers.chat import ChatWriter
from octupus.serve.answers.events import DONE, error_envelope, sse, sse_error
from octupus.serve.answers.responses import ResponseWriter, response_json, response_sse
from octupus.serve.answers.text import TextWriter


class Writing(Protocol):
    """One request's answers on their way out. A stream is opening, progress, then ending or failure."""

    def opening(self) -> str:
        """What a stream begins with."""
        ...

    def progress(self, answer: Answer, deltas: Sequence[Delta]) -> str:
        """What has been added to one of the answers."""
        ...

    def ending(self) -> str:
        """What a stream ends with, once all answers are finished and checked."""
        ...

    def failure(self, message: str, code: str) -> str:
        """What a stream ends with that cannot go on; no client takes it for a whole one."""
        ...

    def whole(self) -> str:
        """The finished answers as one JSON object."""
        ...


class ChunkWriting:
    """Chat Completions and Completions: chunks of one kind, then [DONE]."""

    def __init__(self, writer: ChatWriter | TextWriter, answers: Sequence[Answer], include_usage: bool) -> None:
        self._writer = writer
        self._answers = answers
        self._include_usage = include_usage

    def opening(self) -> str:
        """See Writing."""
        return _events([self._writer.first_chunk(answer) for answer in self._answers])

    def progress(self, answer: Answer, deltas: Sequence[Delta]) -> str:
        """See Writing."""
        return self._writer.events(answer, deltas)

    def ending(self) -> str:
        """See Writing."""
        chunks: list[BaseModel] = [self._writer.last_chunk(answer) for answer in self._answers]
        if self._include_usage:
            chunks.append(self._writer.usage_chunk())
        return _events(chunks) + DONE

    def failure(self, message: str, code: str) -> str:
        """See Writing. No [DONE] follows."""
        return sse_error(error_envelope(message, "server_error", code=code))

    def whole(self) -> str:
        """See Writing."""
        return self._writer.completion().model_dump_json(exclude_unset=True)


class ResponseWriting:
    """Responses: named events, the last of which tells how it ended."""

    def __init__(self, writer: ResponseWriter, answer: Answer) -> None:
        self._writer = writer
        self._answer = answer

    def opening(self) -> str:
        """See Writing."""
        return _named(self._writer.begin())

    def progress(self, answer: Answer, deltas: Sequence[Delta]) -> str:
        """See Writing."""
        return _named(self._writer.push(deltas))

    def ending(self) -> str:
        """See Writing."""
        return _named(self._writer.finish())

    def failure(self, message: str, code: str) -> str:
        """See Writing."""
        return _named(self._writer.fail(message, code))

    def whole(self) -> str:
        """See Writing."""
        self._writer.begin()
        self._writer.push(self._answer.deltas)
        self._writer.finish()
        return response_json(self._writer.response())


def _named(events: Sequence[ResponseStreamEvent]) -> str:
    return "".join(response_sse(event) for event in events)


def _events(chunks: Sequence[BaseModel | None]) -> str:
    return "".join(sse(chunk) for chunk in chunks if chunk is not None)

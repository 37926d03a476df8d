"""Answers as OpenAI's Chat Completions writes them, whole and streamed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall, ChoiceDeltaToolCallFunction
from openai.types.chat.chat_completion_chunk import ChoiceLogprobs as ChunkLogprobs
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails

from octupus.chat.dialect import CallDelta, ContentDelta, Delta, ReasoningDelta
from octupus.serve.answers.answer import Answer, Usage, usage_of
from octupus.serve.answers.events import EventFrame, sse
from octupus.serve.answers.logprobs import TokenTexts, chat_logprobs


class ChatWriter:
    """Writes the answers of one request. `texts` is given where scores were asked for."""

    def __init__(self, model: str, answers: Sequence[Answer], texts: TokenTexts | None = None) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self._model = model
        self._created = int(time.time())
        self._answers = answers
        self._texts = texts
        self._scored = [0] * len(answers)
        self._frames: dict[tuple[int, object], EventFrame] = {}

    def completion(self) -> ChatCompletion:
        """The whole answers."""
        notes = _notes(self._answers)
        return ChatCompletion(
            id=self.id,
            object="chat.completion",
            created=self._created,
            model=self._model,
            choices=[self._choice(answer) for answer in self._answers],
            usage=completion_usage(usage_of(self._answers)),
            **notes,
        )

    def first_chunk(self, answer: Answer) -> ChatCompletionChunk:
        """What opens an answer's stream: the role."""
        return self._chunk(answer, ChoiceDelta(role="assistant", content=""))

    def events(self, answer: Answer, deltas: Sequence[Delta]) -> str:
        """What has been added to an answer, a chunk for each delta, as events."""
        return "".join(self._event(answer, delta) for delta in deltas)

    def last_chunk(self, answer: Answer) -> ChatCompletionChunk:
        """What tells why an answer's stream ends."""
        scored = self._new_scores(answer)
        return self._chunk(answer, ChoiceDelta(), answer.finish_reason, _notes([answer]), scored)

    def usage_chunk(self) -> ChatCompletionChunk:
        """The counts, for clients that ask for them with `stream_options`."""
        chunk = self._chunk(self._answers[0], ChoiceDelta())
        return chunk.model_copy(update={"choices": [], "usage": completion_usage(usage_of(self._answers))})

    def _event(self, answer: Answer, delta: Delta) -> str:
        if isinstance(delta, ContentDelta) and self._texts is not None:
            return sse(self._chunk(answer, _delta(answer, delta), logprobs=self._new_scores(answer)))
        if isinstance(delta, CallDelta) and delta.name is not None:
            return sse(self._chunk(answer, _delta(answer, delta)))
        kind, text = _varying(delta)
        frame = self._frames.get((answer.index, kind))
        if frame is None:
            frame = EventFrame(self._chunk(answer, _delta(answer, _with_text(delta, EventFrame.VARIABLE))))
            self._frames[answer.index, kind] = frame
        return frame.filled(text)

    def _choice(self, answer: Answer) -> Choice:
        value = answer.message.to_openai()
        # Not OpenAI's field, but the one that clients of reasoning models read.
        if answer.reasoning:
            value["reasoning_content"] = answer.reasoning
        return Choice.model_validate(
            {
                "index": answer.index,
                "message": ChatCompletionMessage.model_validate(value | {"refusal": None}),
                "finish_reason": answer.finish_reason,
                "logprobs": chat_logprobs(answer.content_scores, self._texts) if self._texts else None,
            }
        )

    def _new_scores(self, answer: Answer) -> ChunkLogprobs | None:
        """Scores of the content that has come since they were last told."""
        begin = self._scored[answer.index]
        new = answer.content_scores[begin:]
        if self._texts is None or not new:
            return None
        self._scored[answer.index] += len(new)
        return ChunkLogprobs.model_validate(chat_logprobs(new, self._texts).model_dump())

    def _chunk(
        self,
        answer: Answer,
        delta: ChoiceDelta,
        finish_reason: str | None = None,
        notes: dict[str, Any] | None = None,
        logprobs: ChunkLogprobs | None = None,
    ) -> ChatCompletionChunk:
        scored: dict[str, Any] = {} if logprobs is None else {"logprobs": logprobs}
        choice = ChunkChoice.model_validate(
            {"index": answer.index, "delta": delta, "finish_reason": finish_reason} | scored
        )
        return ChatCompletionChunk(
            id=self.id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=[choice],
            **(notes or {}),
        )


def completion_usage(usage: Usage) -> CompletionUsage:
    """The counts of Chat Completions and Completions; details only where they are known."""
    details: dict[str, Any] = {}
    if usage.cached_tokens is not None:
        details["prompt_tokens_details"] = PromptTokensDetails(cached_tokens=usage.cached_tokens)
    if usage.reasoning_tokens is not None:
        details["completion_tokens_details"] = CompletionTokensDetails(reasoning_tokens=usage.reasoning_tokens)
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        **details,
    )


def _varying(delta: Delta) -> tuple[object, str]:
    """What deltas have in common whose chunks differ in one text alone, and that text."""
    if isinstance(delta, CallDelta):
        return (CallDelta, delta.index), delta.arguments
    return type(delta), delta.text


def _with_text(delta: Delta, text: str) -> Delta:
    return replace(delta, arguments=text) if isinstance(delta, CallDelta) else replace(delta, text=text)


def _delta(answer: Answer, delta: Delta) -> ChoiceDelta:
    if isinstance(delta, ContentDelta):
        return ChoiceDelta(content=delta.text)
    if isinstance(delta, ReasoningDelta):
        return ChoiceDelta.model_validate({"reasoning_content": delta.text})
    return ChoiceDelta(tool_calls=[_call(answer, delta)])


def _call(answer: Answer, delta: CallDelta) -> ChoiceDeltaToolCall:
    if delta.name is None:
        function = ChoiceDeltaToolCallFunction(arguments=delta.arguments)
        return ChoiceDeltaToolCall(index=delta.index, function=function)
    return ChoiceDeltaToolCall(
        index=delta.index,
        id=answer.call_id(delta.index),
        type="function",
        function=ChoiceDeltaToolCallFunction(name=delta.name, arguments=delta.arguments),
    )


def _notes(answers: Sequence[Answer]) -> dict[str, Any]:
    """octupus's own field: the notes of a single answer, or those of each."""
    if not any(answer.notes for answer in answers):
        return {}
    if len(answers) == 1:
        return {"octupus": answers[0].notes}
    return {"octupus": {"choices": [answer.notes for answer in answers]}}

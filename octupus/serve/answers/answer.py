"""One answer as it grows: ids in, deltas out, and at the end the message, the finish reason and exact usage."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall, ChoiceDeltaToolCallFunction

from octupus.chat.dialect import CallDelta, ContentDelta, Delta, ReasoningDelta, TurnParser
from octupus.chat.parse import fold
from octupus.conversation import Message


class Answer:
    """Follows one request. The streamed and the whole answer are made of the same deltas."""

    def __init__(self, model: str, prompt_tokens: int, parser: TurnParser) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.finished_by: str | None = None
        """`stop` or `length` as the engine reported it, once it has."""
        self._model = model
        self._created = int(time.time())
        self._prompt_tokens = prompt_tokens
        self.ids: list[int] = []
        """What has been generated."""
        self.cut_short = False
        """Whether the turn was closed because its budget ran out; set before the last chunk is made."""
        self.notes: dict[str, Any] = {}
        """octupus's own part of the answer, beside OpenAI's fields."""
        self._parser = parser
        self._deltas: list[Delta] = []
        self._call_ids: list[str] = []

    def push(self, ids: Sequence[int], reason: str | None) -> list[Delta]:
        """Take newly generated ids; `reason` comes with the last ones."""
        self.ids += ids
        self.finished_by = reason
        deltas = self._parser.push(ids)
        if reason is not None:
            deltas += self._parser.finish()
        self._deltas += deltas
        return deltas

    @property
    def malformed(self) -> str | None:
        """What broke the dialect's grammar, or None; running out of tokens inside a call is no break."""
        return None if self.finished_by == "length" else self._parser.malformed

    @property
    def message(self) -> Message:
        """The assistant's message: the fold of all deltas."""
        return fold(self._deltas, self._call_id)

    @property
    def finish_reason(self) -> str:
        """In OpenAI's words: `length` when the budget ran out, else `tool_calls` or `stop`.

        A turn that was closed in time is whole and valid, and yet not what the model wanted to write.
        """
        if self.finished_by == "length" or self.cut_short:
            return "length"
        return "tool_calls" if self._call_ids or self.message.tool_calls else "stop"

    @property
    def usage(self) -> CompletionUsage:
        """Exact token counts: the ids that went in, and those that came out, control tokens and end included."""
        return CompletionUsage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=len(self.ids),
            total_tokens=self._prompt_tokens + len(self.ids),
        )

    def completion(self) -> ChatCompletion:
        """The whole answer."""
        value = self.message.to_openai()
        # Not OpenAI's field, but the one that clients of reasoning models read.
        reasoning = "".join(delta.text for delta in self._deltas if isinstance(delta, ReasoningDelta))
        if reasoning:
            value["reasoning_content"] = reasoning
        return ChatCompletion(
            id=self.id,
            object="chat.completion",
            created=self._created,
            model=self._model,
            choices=[
                Choice.model_validate(
                    {
                        "index": 0,
                        "message": ChatCompletionMessage.model_validate(value | {"refusal": None}),
                        "finish_reason": self.finish_reason,
                        "logprobs": None,
                    }
                )
            ],
            usage=self.usage,
            **({"octupus": self.notes} if self.notes else {}),
        )

    def first_chunk(self) -> ChatCompletionChunk:
        """What opens a stream: the role."""
        return self._chunk(ChoiceDelta(role="assistant", content=""))

    def chunk(self, delta: Delta) -> ChatCompletionChunk:
        """One delta of a stream."""
        if isinstance(delta, ContentDelta):
            return self._chunk(ChoiceDelta(content=delta.text))
        if isinstance(delta, ReasoningDelta):
            return self._chunk(ChoiceDelta.model_validate({"reasoning_content": delta.text}))
        return self._chunk(ChoiceDelta(tool_calls=[self._call(delta)]))

    def last_chunk(self) -> ChatCompletionChunk:
        """What tells why a stream ends."""
        return self._chunk(ChoiceDelta(), self.finish_reason, {"octupus": self.notes} if self.notes else {})

    def usage_chunk(self) -> ChatCompletionChunk:
        """The counts, for clients that ask for them with `stream_options`."""
        chunk = self._chunk(ChoiceDelta())
        return chunk.model_copy(update={"choices": [], "usage": self.usage})

    def _call(self, delta: CallDelta) -> ChoiceDeltaToolCall:
        if delta.name is None:
            return ChoiceDeltaToolCall(
                index=delta.index, function=ChoiceDeltaToolCallFunction(arguments=delta.arguments)
            )
        return ChoiceDeltaToolCall(
            index=delta.index,
            id=self._call_id(delta.index),
            type="function",
            function=ChoiceDeltaToolCallFunction(name=delta.name, arguments=delta.arguments),
        )

    def _call_id(self, index: int) -> str:
        while len(self._call_ids) <= index:
            self._call_ids.append(f"call_{uuid.uuid4().hex[:24]}")
        return self._call_ids[index]

    def _chunk(
        self, delta: ChoiceDelta, finish_reason: str | None = None, notes: dict[str, Any] | None = None
    ) -> ChatCompletionChunk:
        choice = ChunkChoice.model_validate({"index": 0, "delta": delta, "finish_reason": finish_reason})
        return ChatCompletionChunk(
            id=self.id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=[choice],
            **(notes or {}),
        )

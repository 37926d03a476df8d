"""Answers of /v1/completions: text without turns, as OpenAI's Completions writes it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from openai.types import Completion, CompletionChoice

from octupus.chat.dialect import ContentDelta, Delta
from octupus.chat.tokenizer import ChatTokenizer
from octupus.serve.answers.answer import Answer, usage_of
from octupus.serve.answers.chat import completion_usage
from octupus.serve.answers.events import EventFrame, sse
from octupus.serve.answers.logprobs import TokenTexts, completion_logprobs


class TextParser:
    """A TurnParser without turns: all text is content; control tokens are counted and not shown."""

    malformed: str | None = None

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self._control = set(tokenizer.control_tokens.values())
        self._stream = tokenizer.text_stream()

    def push(self, ids: Sequence[int]) -> list[Delta]:
        """See TurnParser.push."""
        return _content("".join(self._stream.push(token_id) for token_id in ids if token_id not in self._control))

    def finish(self) -> list[Delta]:
        """See TurnParser.finish."""
        return _content(self._stream.finish())


class TextWriter:
    """Writes the answers of one request; `choices` of them in a row answer the same prompt."""

    def __init__(
        self,
        model: str,
        answers: Sequence[Answer],
        choices: int,
        echoed: Sequence[str],
        texts: TokenTexts | None = None,
    ) -> None:
        """`echoed` is what stands in front of each answer; `texts` is given where scores were asked for."""
        self.id = f"cmpl-{uuid.uuid4().hex}"
        self._model = model
        self._created = int(time.time())
        self._answers = answers
        self._choices = choices
        self._echoed = echoed
        self._texts = texts
        self._told = [0] * len(answers)
        self._frames: dict[int, EventFrame] = {}

    def completion(self) -> Completion:
        """The whole answers."""
        written = [
            self._choice(answer, self._echoed[answer.index] + _text(answer), answer.finish_reason, 0)
            for answer in self._answers
        ]
        return self._completion(written, usage=completion_usage(usage_of(self._answers, self._choices)))

    def first_chunk(self, answer: Answer) -> Completion | None:
        """What opens an answer's stream: the echoed prompt, where there is one."""
        echoed = self._echoed[answer.index]
        return self._completion([self._choice(answer, echoed, None, None)]) if echoed else None

    def events(self, answer: Answer, deltas: Sequence[Delta]) -> str:
        """What has been added to an answer, as events."""
        text = "".join(delta.text for delta in deltas if isinstance(delta, ContentDelta))
        if not text:
            return ""
        if self._texts is not None:
            return sse(self._completion([self._next_choice(answer, text, None)]))
        frame = self._frames.get(answer.index)
        if frame is None:
            frame = EventFrame(self._completion([self._choice(answer, EventFrame.VARIABLE, None, None)]))
            self._frames[answer.index] = frame
        return frame.filled(text)

    def last_chunk(self, answer: Answer) -> Completion:
        """What tells why an answer's stream ends."""
        return self._completion([self._next_choice(answer, "", answer.finish_reason)])

    def usage_chunk(self) -> Completion:
        """The counts, for clients that ask for them with `stream_options`."""
        return self._completion([], usage=completion_usage(usage_of(self._answers, self._choices)))

    def _next_choice(self, answer: Answer, text: str, finish_reason: str | None) -> CompletionChoice:
        told = self._told[answer.index]
        self._told[answer.index] = len(answer.content_scores)
        return self._choice(answer, text, finish_reason, told)

    def _choice(self, answer: Answer, text: str, finish_reason: str | None, told: int | None) -> CompletionChoice:
        """`told` is how many tokens' scores were told before; None tells none."""
        fields: dict[str, Any] = {"index": answer.index, "text": text, "finish_reason": finish_reason, "logprobs": None}
        if self._texts is not None and told is not None and answer.content_scores[told:]:
            # Where a token begins in the texts of all tokens; a character of several tokens counts in each of them.
            before = "".join(self._texts.text_of(token_id) for token_id, _ in answer.content_scores[:told])
            offset = len(self._echoed[answer.index]) + len(before)
            fields["logprobs"] = completion_logprobs(answer.content_scores[told:], self._texts, offset)
        # A chunk before the last has no reason, which OpenAI's type does not know of.
        return CompletionChoice.model_construct(_fields_set=None, **fields)

    def _completion(self, choices: list[CompletionChoice], **fields: Any) -> Completion:
        return Completion.model_construct(
            _fields_set=None,
            id=self.id,
            object="text_completion",
            created=self._created,
            model=self._model,
            choices=choices,
            **fields,
        )


def _text(answer: Answer) -> str:
    return answer.message.content or ""


def _content(text: str) -> list[Delta]:
    return [ContentDelta(text)] if text else []

"""One answer as it grows, whichever route asked for it: ids in, deltas out, then the message and why it ended."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from octupus.chat.dialect import CallDelta, ContentDelta, Delta, ReasoningDelta, TurnParser
from octupus.chat.parse import fold
from octupus.conversation import Message
from octupus.serve.answers.stop_texts import StopTexts
from octupus.serve.engine.sampling import Generated, TokenScores


@dataclass(frozen=True)
class Usage:
    """Exact token counts of a request: the ids that went in, and those that came out, control tokens and end too."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int | None = None
    """Those of thinking; None where the dialect has none."""
    cached_tokens: int | None = None
    """Those of the prompt that the engine found in its prefix cache, where it tells."""


class Answer:
    """Follows one answer. What is streamed and what is whole are made of the same deltas."""

    def __init__(
        self,
        parser: TurnParser,
        prompt_tokens: int,
        stop: Sequence[str] = (),
        thinking: tuple[int, int] | None = None,
        control: Collection[int] = (),
        index: int = 0,
    ) -> None:
        """`thinking` are the tokens that open and close it, where there is any; `control` all that are no text."""
        self.index = index
        """Which of the request's answers this is."""
        self.prompt_tokens = prompt_tokens
        self.finished_by: str | None = None
        """`stop` or `length` as the engine reported it, once it has, or `stop` when a stop text was found."""
        self.ids: list[int] = []
        """What has been generated, up to the stop text if there was one."""
        self.cached_tokens: int | None = None
        self.cut_short = False
        """Whether the turn was closed because its budget ran out; set before the end is written."""
        self.notes: dict[str, Any] = {}
        """octupus's own part of the answer, beside the fields of its protocol."""
        self.deltas: list[Delta] = []
        self.content_scores: list[tuple[int, TokenScores]] = []
        """For each token of content its id and scores, where scores were asked for."""
        self._parser = parser
        self._thinking = thinking
        self._control = control
        self._stop = StopTexts(stop)
        self._stoppable = bool(stop)
        self._undecided: list[tuple[int, TokenScores]] = []
        self._call_ids: list[str] = []

    def push(self, item: Generated) -> list[Delta]:
        """Take newly generated ids, the reason with the last ones. Nothing is taken once a stop text was found."""
        if self.stopped:
            return []
        if self.cached_tokens is None:
            self.cached_tokens = item.cached_tokens
        deltas: list[Delta] = []
        if item.scores is None and not self._stoppable:
            self.ids += item.ids
            deltas += self._parser.push(item.ids)
        else:
            for position, token_id in enumerate(item.ids):
                deltas += self._push_one(token_id, item.scores[position] if item.scores else None)
                if self.stopped:
                    break
        if item.finish_reason is not None and not self.stopped:
            self.finished_by = item.finish_reason
            held = self._parser.finish()
            if held and isinstance(held[0], ContentDelta):
                self.content_scores += self._undecided
            deltas += self._before_stop(held)
            rest = self._stop.finish()
            if rest:
                deltas.append(ContentDelta(rest))
        deltas = _joined(deltas)
        self.deltas += deltas
        return deltas

    @property
    def stopped(self) -> bool:
        """Whether a stop text was found; the engine need not go on."""
        return self._stop.found is not None

    @property
    def malformed(self) -> str | None:
        """What broke the dialect's grammar, or None; running out of tokens inside a call is no break."""
        return None if self.finished_by == "length" or self.stopped else self._parser.malformed

    @property
    def message(self) -> Message:
        """The assistant's message: the fold of all deltas."""
        return fold(self.deltas, self.call_id)

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered; no part of the message."""
        return "".join(delta.text for delta in self.deltas if isinstance(delta, ReasoningDelta))

    @property
    def reasoning_tokens(self) -> int | None:
        """Tokens of thinking, those that open and close it included; None where the dialect has none."""
        if self._thinking is None:
            return None
        opens, closes = self._thinking
        if opens not in self.ids:
            return 0
        begin = self.ids.index(opens)
        return (self.ids.index(closes, begin) + 1 if closes in self.ids[begin:] else len(self.ids)) - begin

    @property
    def finish_reason(self) -> str:
        """In OpenAI's words: `length` when the budget ran out, else `tool_calls` or `stop`.

        A turn that was closed in time is whole and valid, and yet not what the model wanted to write.
        """
        if self.finished_by == "length" or self.cut_short:
            return "length"
        return "tool_calls" if any(isinstance(delta, CallDelta) for delta in self.deltas) else "stop"

    def call_id(self, index: int) -> str:
        """The id of the call at `index`, made when it is first asked for."""
        while len(self._call_ids) <= index:
            self._call_ids.append(f"call_{uuid.uuid4().hex[:24]}")
        return self._call_ids[index]

    def _push_one(self, token_id: int, scores: TokenScores | None) -> list[Delta]:
        self.ids.append(token_id)
        found = self._parser.push([token_id])
        if scores is not None:
            self._place(token_id, scores, found)
        return self._before_stop(found)

    def _place(self, token_id: int, scores: TokenScores, found: Sequence[Delta]) -> None:
        """Keep the scores of content. A token that completes no character waits for the one that does."""
        if token_id in self._control or (found and not isinstance(found[-1], ContentDelta)):
            self._undecided.clear()
            return
        self._undecided.append((token_id, scores))
        if found:
            self.content_scores += self._undecided
            self._undecided.clear()

    def _before_stop(self, deltas: Sequence[Delta]) -> list[Delta]:
        """The deltas up to a stop text in their content; nothing else can hold one."""
        if not self._stoppable:
            return list(deltas)
        kept: list[Delta] = []
        for delta in deltas:
            text = self._stop.push(delta.text) if isinstance(delta, ContentDelta) else self._stop.finish()
            if text:
                kept.append(ContentDelta(text))
            if self.stopped:
                self.finished_by = "stop"
                break
            if not isinstance(delta, ContentDelta):
                kept.append(delta)
        return kept


def _joined(deltas: Sequence[Delta]) -> list[Delta]:
    """Deltas that came together and go on with each other, as one: there is less to write and to send."""
    joined: list[Delta] = []
    for delta in deltas:
        last = joined[-1] if joined else None
        if isinstance(delta, ContentDelta) and isinstance(last, ContentDelta):
            joined[-1] = ContentDelta(last.text + delta.text)
        elif isinstance(delta, ReasoningDelta) and isinstance(last, ReasoningDelta):
            joined[-1] = ReasoningDelta(last.text + delta.text)
        elif isinstance(delta, CallDelta) and isinstance(last, CallDelta) and delta.name is None:
            joined[-1] = CallDelta(last.index, last.name, last.arguments + delta.arguments)
        else:
            joined.append(delta)
    return joined


def usage_of(answers: Sequence[Answer], choices: int | None = None) -> Usage:
    """The counts of a request; `choices` answers in a row share a prompt, which is counted once; None is all."""
    prompts = answers[:: choices or len(answers)]
    cached = [answer.cached_tokens for answer in prompts if answer.cached_tokens is not None]
    reasoning = [answer.reasoning_tokens for answer in answers if answer.reasoning_tokens is not None]
    return Usage(
        prompt_tokens=sum(answer.prompt_tokens for answer in prompts),
        completion_tokens=sum(len(answer.ids) for answer in answers),
        reasoning_tokens=sum(reasoning) if reasoning else None,
        cached_tokens=sum(cached) if cached else None,
    )

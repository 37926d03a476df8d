"""Answers as OpenAI's Responses writes them, whole and streamed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence

from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseError,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseInProgressEvent,
    ResponseOutputItem,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseStatus,
    ResponseStreamEvent,
    ResponseUsage,
)
from openai.types.responses.response import IncompleteDetails
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel

from octupus.chat.dialect import CallDelta, ContentDelta, Delta, ReasoningDelta
from octupus.serve.answers.answer import Answer, Usage, usage_of
from octupus.serve.answers.logprobs import TokenTexts, chat_logprobs
from octupus.serve.answers.responses_frame import frame_of
from octupus.serve.answers.responses_items import Logprobs, OpenCall, OpenItem, OpenMessage, OpenReasoning, Status
from octupus.serve.protocol.responses import ResponsesRequest


class ResponseWriter:
    """Writes one answer. The stream is `begin`, `push` for all deltas, then `finish` or `fail`.

    The whole answer is `response` behind the same calls, so the two cannot differ. Source of the events and their
    order: https://platform.openai.com/docs/api-reference/responses-streaming
    """

    def __init__(
        self,
        request: ResponsesRequest,
        answer: Answer,
        model: str,
        response_id: str,
        created: int,
        texts: TokenTexts | None = None,
    ) -> None:
        """`created` is Unix time in seconds; `texts` is given where scores were asked for."""
        self.id = response_id
        self._answer = answer
        self._texts = texts
        self._frame = frame_of(request, model, response_id, created)
        self._numbers = itertools.count()
        self._scored = 0
        self._status: ResponseStatus = "in_progress"
        self._error: ResponseError | None = None
        self._closed: list[ResponseOutputItem] = []
        self._open: OpenItem | None = None

    def begin(self) -> list[ResponseStreamEvent]:
        """What opens the stream."""
        return [
            ResponseCreatedEvent(type="response.created", response=self.response(), sequence_number=self._number()),
            ResponseInProgressEvent(
                type="response.in_progress", response=self.response(), sequence_number=self._number()
            ),
        ]

    def push(self, deltas: Sequence[Delta]) -> list[ResponseStreamEvent]:
        """What has been added to the answer."""
        events: list[ResponseStreamEvent] = []
        for delta in deltas:
            if isinstance(delta, CallDelta):
                events += self._push_call(delta)
            elif isinstance(delta, ReasoningDelta):
                events += self._push_reasoning(delta)
            else:
                events += self._push_content(delta)
        return events

    def finish(self) -> list[ResponseStreamEvent]:
        """What closes the stream, once the answer is finished."""
        broken_off = self._answer.finished_by == "length" and self._open is not None and not self._open.is_whole()
        events = self._close("incomplete" if broken_off else "completed")
        if self._answer.finish_reason == "length":
            self._status = "incomplete"
            last = ResponseIncompleteEvent(
                type="response.incomplete", response=self.response(), sequence_number=self._number()
            )
            return [*events, last]
        if not any(isinstance(item, ResponseOutputMessage | ResponseFunctionToolCall) for item in self._closed):
            # Agent loops take an answer without message or call for unfinished, and ask again and again.
            events += self._opened(OpenMessage(*self._place("msg")))
            events += self._close("completed")
        self._status = "completed"
        completed = ResponseCompletedEvent(
            type="response.completed", response=self.response(), sequence_number=self._number()
        )
        return [*events, completed]

    def fail(self, message: str, code: str) -> list[ResponseStreamEvent]:
        """What ends the stream when no more can be written: an error, and the response with what there is."""
        if self._open is not None:
            self._closed.append(self._open.item("incomplete"))
            self._open = None
        self._status = "failed"
        # The codes of a Response are a closed list, of which the server can only mean this one.
        self._error = ResponseError(code="server_error", message=message)
        return [
            ResponseErrorEvent(type="error", message=message, code=code, param=None, sequence_number=self._number()),
            ResponseFailedEvent(type="response.failed", response=self.response(), sequence_number=self._number()),
        ]

    def response(self) -> Response:
        """The response as it stands; whole behind `finish`."""
        cut = self._status == "incomplete"
        finished = cut or self._status == "completed"
        notes = {"octupus": self._answer.notes} if finished and self._answer.notes else {}
        output = list(self._closed)
        if self._open is not None:
            output.append(self._open.item("in_progress"))
        return Response.model_validate(
            self._frame
            | notes
            | {
                "status": self._status,
                "error": self._error,
                "incomplete_details": IncompleteDetails(reason="max_output_tokens") if cut else None,
                "output": output,
                "usage": response_usage(usage_of([self._answer])) if finished else None,
            }
        )

    def _push_content(self, delta: ContentDelta) -> list[ResponseStreamEvent]:
        message, events = self._open, []
        if not isinstance(message, OpenMessage):
            message = OpenMessage(*self._place("msg"))
            events = self._opened(message)
        return [*events, message.push(delta.text, self._new_logprobs())]

    def _push_reasoning(self, delta: ReasoningDelta) -> list[ResponseStreamEvent]:
        reasoning, events = self._open, []
        if not isinstance(reasoning, OpenReasoning):
            reasoning = OpenReasoning(*self._place("rs"))
            events = self._opened(reasoning)
        return [*events, reasoning.push(delta.text)]

    def _push_call(self, delta: CallDelta) -> list[ResponseStreamEvent]:
        call, events = self._open, []
        if delta.name is not None or not isinstance(call, OpenCall):
            call = OpenCall(*self._place("fc"), self._answer.call_id(delta.index), delta.name or "")
            events = self._opened(call)
        return [*events, call.push(delta.arguments)] if delta.arguments else events

    def _place(self, kind: str) -> tuple[str, int, Callable[[], int]]:
        """Id, position and numbers of the item that opens next. The id follows from the response's."""
        position = len(self._closed) + (self._open is not None)
        return f"{kind}_{self.id.removeprefix('resp_')}_{position}", position, self._number

    def _opened(self, item: OpenItem) -> list[ResponseStreamEvent]:
        """The events that close what is open and announce `item`."""
        events = self._close("completed")
        self._open = item
        return events + item.begin()

    def _close(self, status: Status) -> list[ResponseStreamEvent]:
        """The events that close what is open, if anything is."""
        item, self._open = self._open, None
        if item is None:
            return []
        self._closed.append(item.item(status))
        return item.close(status)

    def _new_logprobs(self) -> Logprobs:
        """Scores of the content that has come since they were last told."""
        new = self._answer.content_scores[self._scored :]
        if self._texts is None or not new:
            return []
        self._scored += len(new)
        return [token.model_dump() for token in chat_logprobs(new, self._texts).content or ()]

    def _number(self) -> int:
        return next(self._numbers)


def build_types() -> None:
    """Build the package's larger models, which it leaves to their first use: seconds that no request should wait."""
    for model in (
        Response,
        ResponseCreatedEvent,
        ResponseInProgressEvent,
        ResponseOutputItemAddedEvent,
        ResponseOutputItemDoneEvent,
        ResponseCompletedEvent,
        ResponseIncompleteEvent,
        ResponseFailedEvent,
    ):
        model.model_rebuild()


def response_usage(usage: Usage) -> ResponseUsage:
    """The counts of Responses, which must name every detail: those that are not known are 0."""
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=usage.cached_tokens or 0, cache_write_tokens=0),
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=usage.reasoning_tokens or 0),
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )


def response_json(value: BaseModel) -> str:
    """A Response, or an event, as JSON; fields that were never set are left out."""
    response = value if isinstance(value, Response) else getattr(value, "response", None)
    if response is None and not isinstance(value, ResponseErrorEvent):
        return value.model_dump_json(exclude_unset=True, by_alias=True)
    plain = value.model_dump(mode="json", exclude_unset=True, by_alias=True)
    if response is not None:
        # The package types this as a float, yet OpenAI writes an integer, and typed clients read nothing else.
        plain.get("response", plain)["created_at"] = int(response.created_at)
    # A note or an error may quote half a surrogate pair, which JSON can write and UTF-8 cannot.
    return json.dumps(plain, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def response_sse(event: ResponseStreamEvent) -> str:
    """One event of the stream, named as OpenAI names it. The stream ends with its last event; no [DONE] follows."""
    return f"event: {event.type}\ndata: {response_json(event)}\n\n"

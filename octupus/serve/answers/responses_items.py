"""The output items of a Responses answer while they are written, each as the events that OpenAI sends for it.

An item is announced, filled delta by delta and closed before the next one opens. Every event gets its own objects,
since an item goes on growing after the events that show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from openai.types.responses import (
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseReasoningTextDeltaEvent,
    ResponseReasoningTextDoneEvent,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
)
from openai.types.responses.response_content_part_added_event import PartReasoningText
from openai.types.responses.response_content_part_done_event import PartReasoningText as DonePartReasoningText
from openai.types.responses.response_reasoning_item import Content as ReasoningContent

from octupus.schema.validation import InvalidJsonError, parse_json

Status = Literal["in_progress", "completed", "incomplete"]
Logprobs = list[dict[str, Any]]


class OpenItem:
    """What all items share: their place, and the events that open and close them."""

    def __init__(self, item_id: str, output_index: int, number: Callable[[], int]) -> None:
        """`number` gives the next event's sequence number."""
        self.id = item_id
        self._number = number
        self._output_index = output_index
        self._part = {"item_id": item_id, "output_index": output_index, "content_index": 0}
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """What has been written so far."""
        return "".join(self._pieces)

    def is_whole(self) -> bool:
        """Whether nothing is missing although the budget ran out while the item was open."""
        return False

    def item(self, status: Status) -> ResponseOutputItem:
        """The item as it stands."""
        raise NotImplementedError

    def begin(self) -> list[ResponseStreamEvent]:
        """The events that announce the item."""
        raise NotImplementedError

    def close(self, status: Status) -> list[ResponseStreamEvent]:
        """The events that tell the item whole."""
        raise NotImplementedError

    def _added(self, item: ResponseOutputItem) -> ResponseStreamEvent:
        return ResponseOutputItemAddedEvent(
            type="response.output_item.added",
            item=item,
            output_index=self._output_index,
            sequence_number=self._number(),
        )

    def _done(self, status: Status) -> ResponseStreamEvent:
        return ResponseOutputItemDoneEvent(
            type="response.output_item.done",
            item=self.item(status),
            output_index=self._output_index,
            sequence_number=self._number(),
        )


class OpenMessage(OpenItem):
    """The text of the answer: a message of one part."""

    def __init__(self, item_id: str, output_index: int, number: Callable[[], int]) -> None:
        super().__init__(item_id, output_index, number)
        self._logprobs: Logprobs = []

    def item(self, status: Status) -> ResponseOutputMessage:
        """See OpenItem.item."""
        return self._message(status, [self._output_text()])

    def begin(self) -> list[ResponseStreamEvent]:
        """See OpenItem.begin."""
        added = self._added(self._message("in_progress", []))
        part = ResponseContentPartAddedEvent(
            type="response.content_part.added",
            part=self._output_text(),
            sequence_number=self._number(),
            **self._part,
        )
        return [added, part]

    def push(self, text: str, logprobs: Logprobs) -> ResponseStreamEvent:
        """More text, with the scores that have become known with it."""
        self._pieces.append(text)
        self._logprobs += logprobs
        return ResponseTextDeltaEvent(
            type="response.output_text.delta",
            delta=text,
            logprobs=logprobs,
            sequence_number=self._number(),
            **self._part,
        )

    def close(self, status: Status) -> list[ResponseStreamEvent]:
        """See OpenItem.close."""
        return [
            ResponseTextDoneEvent(
                type="response.output_text.done",
                text=self.text,
                logprobs=self._logprobs,
                sequence_number=self._number(),
                **self._part,
            ),
            ResponseContentPartDoneEvent(
                type="response.content_part.done",
                part=self._output_text(),
                sequence_number=self._number(),
                **self._part,
            ),
            self._done(status),
        ]

    def _message(self, status: Status, content: list[ResponseOutputText]) -> ResponseOutputMessage:
        return ResponseOutputMessage(type="message", id=self.id, role="assistant", status=status, content=content)

    def _output_text(self) -> ResponseOutputText:
        return ResponseOutputText(type="output_text", text=self.text, annotations=[], logprobs=self._logprobs)


class OpenReasoning(OpenItem):
    """What the model thinks before it answers, told whole as a reasoning text and never as a summary."""

    def item(self, status: Status) -> ResponseReasoningItem:
        """See OpenItem.item."""
        return self._reasoning(status, [ReasoningContent(type="reasoning_text", text=self.text)])

    def begin(self) -> list[ResponseStreamEvent]:
        """See OpenItem.begin."""
        added = self._added(self._reasoning("in_progress", []))
        part = ResponseContentPartAddedEvent(
            type="response.content_part.added",
            part=PartReasoningText(type="reasoning_text", text=""),
            sequence_number=self._number(),
            **self._part,
        )
        return [added, part]

    def push(self, text: str) -> ResponseStreamEvent:
        """More thinking."""
        self._pieces.append(text)
        return ResponseReasoningTextDeltaEvent(
            type="response.reasoning_text.delta", delta=text, sequence_number=self._number(), **self._part
        )

    def close(self, status: Status) -> list[ResponseStreamEvent]:
        """See OpenItem.close."""
        return [
            ResponseReasoningTextDoneEvent(
                type="response.reasoning_text.done", text=self.text, sequence_number=self._number(), **self._part
            ),
            ResponseContentPartDoneEvent(
                type="response.content_part.done",
                part=DonePartReasoningText(type="reasoning_text", text=self.text),
                sequence_number=self._number(),
                **self._part,
            ),
            self._done(status),
        ]

    def _reasoning(self, status: Status, content: list[ReasoningContent]) -> ResponseReasoningItem:
        return ResponseReasoningItem(
            type="reasoning", id=self.id, summary=[], content=content, encrypted_content=None, status=status
        )


class OpenCall(OpenItem):
    """A call of a function."""

    def __init__(self, item_id: str, output_index: int, number: Callable[[], int], call_id: str, name: str) -> None:
        super().__init__(item_id, output_index, number)
        self._call_id, self._name = call_id, name
        self._place = {"item_id": item_id, "output_index": output_index}

    def is_whole(self) -> bool:
        """Arguments end where their brackets are closed, whatever else the dialect would write behind them."""
        try:
            return isinstance(parse_json(self.text), dict)
        except InvalidJsonError:
            return False

    def item(self, status: Status) -> ResponseFunctionToolCall:
        """See OpenItem.item."""
        return ResponseFunctionToolCall(
            type="function_call",
            id=self.id,
            call_id=self._call_id,
            name=self._name,
            arguments=self.text,
            status=status,
        )

    def begin(self) -> list[ResponseStreamEvent]:
        """See OpenItem.begin."""
        return [self._added(self.item("in_progress"))]

    def push(self, arguments: str) -> ResponseStreamEvent:
        """More of the arguments."""
        self._pieces.append(arguments)
        return ResponseFunctionCallArgumentsDeltaEvent(
            type="response.function_call_arguments.delta",
            delta=arguments,
            sequence_number=self._number(),
            **self._place,
        )

    def close(self, status: Status) -> list[ResponseStreamEvent]:
        """See OpenItem.close."""
        done = ResponseFunctionCallArgumentsDoneEvent(
            type="response.function_call_arguments.done",
            arguments=self.text,
            sequence_number=self._number(),
            **self._place,
        )
        return [done, self._done(status)]

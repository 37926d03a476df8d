"""The octupus dialect: seven control tokens frame every turn, so no text inside can be mistaken for structure.

    <|SYSTEM|>text <|USER|>text <|ASSISTANT|> [<|CONTENT|>text] (<|FUNCTION_CALL|>name<|PARAMETERS|>{arguments})* end
    <|FUNCTION_OUTPUT|>text

`end` is the base model's own end-of-sequence token. Results of parallel calls follow each other in the order of the
calls. Only what the assistant writes is trained: everything after <|ASSISTANT|>, the end included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from octupus.chat.dialect import END, Segment
from octupus.chat.layout import TurnLayout
from octupus.chat.octupus_template import OCTUPUS_TEMPLATE
from octupus.chat.parse import OctupusParser
from octupus.chat.template import chat_template
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation, Message, Tool, json_text

SYSTEM = "<|SYSTEM|>"
USER = "<|USER|>"
ASSISTANT = "<|ASSISTANT|>"
CONTENT = "<|CONTENT|>"
FUNCTION_CALL = "<|FUNCTION_CALL|>"
PARAMETERS = "<|PARAMETERS|>"
FUNCTION_OUTPUT = "<|FUNCTION_OUTPUT|>"

TOOLS_HEADING = "Tools:\n"


class OctupusDialect:
    """See the module docstring. Stateless; use the instance `OCTUPUS`."""

    name = "octupus"
    control_tokens: tuple[str, ...] = (SYSTEM, USER, ASSISTANT, CONTENT, FUNCTION_CALL, PARAMETERS, FUNCTION_OUTPUT)

    def segments(
        self, conversation: Conversation, tokenizer: ChatTokenizer, generation_prompt: bool = False
    ) -> list[Segment]:
        """See Dialect.segments. A system segment is made for the tools when the conversation has no system message."""
        messages = conversation.messages
        result: list[Segment] = []
        if conversation.tools and not (messages and messages[0].role == "system"):
            result.append(Segment(SYSTEM, self.system_text(None, conversation.tools)))
        for position, message in enumerate(messages):
            if message.role == "assistant":
                result += _assistant(message, conversation.trained(position))
            elif message.role == "system":
                tools = conversation.tools if position == 0 else ()
                result.append(Segment(SYSTEM, self.system_text(message.content, tools)))
            else:
                result.append(Segment(USER if message.role == "user" else FUNCTION_OUTPUT, message.content or ""))
        if generation_prompt:
            result.append(Segment(ASSISTANT, ""))
        return result

    def system_text(self, content: str | None, tools: Sequence[Tool]) -> str:
        """The system message's content, then one line of JSON for each tool."""
        if not tools:
            return content or ""
        described = TOOLS_HEADING + "\n".join(json_text(tool.function.model_dump()) for tool in tools)
        return f"{content}\n\n{described}" if content else described

    def without_thinking(self, tokenizer: ChatTokenizer) -> list[Segment]:
        """See Dialect.without_thinking."""
        return []

    def parser(self, tokenizer: ChatTokenizer) -> OctupusParser:
        """A parser for one assistant turn."""
        return OctupusParser(
            tokenizer,
            content=tokenizer.control_id(CONTENT),
            call=tokenizer.control_id(FUNCTION_CALL),
            parameters=tokenizer.control_id(PARAMETERS),
        )

    def layout(self, tokenizer: ChatTokenizer) -> TurnLayout:
        """See Dialect.layout."""
        return TurnLayout(
            content=tokenizer.control_id(CONTENT),
            call=tokenizer.control_id(FUNCTION_CALL),
            call_prefix="",
            call_middle="",
            arguments=tokenizer.control_id(PARAMETERS),
            arguments_spaced=False,
            call_suffix="",
            call_end=None,
            between="",
            think=None,
            think_end=None,
        )

    def chat_template(self, tokenizer: ChatTokenizer) -> str:
        """The dialect as a Hugging Face chat template for this tokenizer."""
        return chat_template(OCTUPUS_TEMPLATE, tokenizer.end_token, tokenizer.control_tokens)


def _assistant(message: Message, trained: bool) -> Iterator[Segment]:
    yield Segment(ASSISTANT, "")
    if message.content:
        yield Segment(CONTENT, message.content, trained)
    for call in message.tool_calls:
        yield Segment(FUNCTION_CALL, call.function.name, trained)
        yield Segment(PARAMETERS, call.function.arguments, trained)
    yield Segment(END, "", trained)


OCTUPUS = OctupusDialect()

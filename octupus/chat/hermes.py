"""The hermes dialect: ChatML turns with tool calls as JSON, as Qwen2.5 and Qwen3 are trained.

    <|im_start|>system\\ntext<|im_end|>\\n<|im_start|>user\\ntext<|im_end|>\\n
    <|im_start|>assistant\\n[text][\\n<tool_call>\\n{"name": "NAME", "arguments": ARGUMENTS}\\n</tool_call>]*end\\n
    <|im_start|>user\\n<tool_response>\\ntext\\n</tool_response>[\\n<tool_response>\\ntext\\n</tool_response>]*<|im_end|>\\n

The line break in front of the first call is left out where no text precedes it. `end` is the tokenizer's own
end-of-sequence token, which is <|im_end|> in Qwen's chat models. Only what the assistant writes is trained:
everything behind `assistant\\n`, the end included and the line break after it not.

The wording is that of the chat templates of Qwen2.5-7B-Instruct and Qwen3-8B. The two differ in what the tokenizer
shows: Qwen3 has tokens for thinking and for tool responses, which are plain text to Qwen2.5, and no default system
message. A conversation holds no thinking, so none is rendered, as Qwen3's template drops it from past turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from octupus.chat.dialect import END, Segment
from octupus.chat.hermes_parse import HermesParser
from octupus.chat.hermes_template import hermes_template
from octupus.chat.layout import TurnLayout
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation, Message, Tool, json_text

START = "<|im_start|>"
TURN_END = "<|im_end|>"
CALL = "<tool_call>"
CALL_END = "</tool_call>"
THINK = "<think>"
THINK_END = "</think>"
RESPONSE = "<tool_response>"
RESPONSE_END = "</tool_response>"

DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
"""The system message of Qwen2.5 where the conversation has none."""
TOOLS_HEADING = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
)
TOOLS_FOOTING = "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
CALL_FORMAT = (
    Segment(CALL, ""),
    Segment(CALL_END, " XML tags:\n"),
    Segment(CALL, '\n{"name": <function-name>, "arguments": <args-json-object>}\n'),
    Segment(CALL_END, ""),
)
"""The end of the description of the tools: Qwen spells its control tokens there, and the model reads them as such."""
CALL_PREFIX, CALL_MIDDLE, CALL_SUFFIX = '\n{"name": "', '", "arguments":', "}\n"
BETWEEN = "\n"


class HermesDialect:
    """See the module docstring. Stateless; use the instance `HERMES`."""

    name = "hermes"
    control_tokens: tuple[str, ...] = (START, TURN_END, CALL, CALL_END)

    def segments(
        self, conversation: Conversation, tokenizer: ChatTokenizer, generation_prompt: bool = False
    ) -> list[Segment]:
        """See Dialect.segments. A system turn is made for tools when no system message comes first."""
        messages = conversation.messages
        system = default_system(tokenizer)
        if messages and messages[0].role == "system":
            system = messages[0].content or ""
        result = list(_system(system, conversation.tools))
        for is_result, run in groupby(enumerate(messages), lambda item: item[1].role == "tool"):
            if is_result:
                result += _results([message.content or "" for _, message in run], tokenizer)
                continue
            for position, message in run:
                if message.role == "assistant":
                    result += _assistant(message, conversation.trained(position))
                elif message.role != "system" or position > 0:
                    result += _turn(message.role, message.content or "")
        if generation_prompt:
            result.append(Segment(START, "assistant\n"))
        return result

    def without_thinking(self, tokenizer: ChatTokenizer) -> list[Segment]:
        """See Dialect.without_thinking: the empty block that Qwen3's template writes for `enable_thinking=False`."""
        if _thinking(tokenizer)[0] is None:
            return []
        return [Segment(THINK, "\n\n"), Segment(THINK_END, "\n\n")]

    def parser(self, tokenizer: ChatTokenizer) -> HermesParser:
        """A parser for one assistant turn."""
        think, think_end = _thinking(tokenizer)
        return HermesParser(tokenizer, tokenizer.control_id(CALL), tokenizer.control_id(CALL_END), think, think_end)

    def layout(self, tokenizer: ChatTokenizer) -> TurnLayout:
        """See Dialect.layout."""
        think, think_end = _thinking(tokenizer)
        return TurnLayout(
            content=None,
            call=tokenizer.control_id(CALL),
            call_prefix=CALL_PREFIX,
            call_middle=CALL_MIDDLE,
            arguments=None,
            arguments_spaced=True,
            call_suffix=CALL_SUFFIX,
            call_end=tokenizer.control_id(CALL_END),
            between=BETWEEN,
            think=think,
            think_end=think_end,
        )

    def chat_template(self, tokenizer: ChatTokenizer) -> str:
        """The dialect as a Hugging Face chat template for this tokenizer."""
        thinks = _thinking(tokenizer)[0] is not None
        return hermes_template(tokenizer.end_token, tokenizer.control_tokens, default_system(tokenizer), thinks)


def default_system(tokenizer: ChatTokenizer) -> str | None:
    """The system message of a conversation that has none: Qwen2.5's, and none for a model that thinks."""
    return DEFAULT_SYSTEM if _thinking(tokenizer)[0] is None else None


def _thinking(tokenizer: ChatTokenizer) -> tuple[int | None, int | None]:
    think, think_end = tokenizer.control_tokens.get(THINK), tokenizer.control_tokens.get(THINK_END)
    return (think, think_end) if think is not None and think_end is not None else (None, None)


def _turn(role: str, text: str) -> Iterator[Segment]:
    yield Segment(START, f"{role}\n{text}")
    yield Segment(TURN_END, "\n")


def _system(content: str | None, tools: Sequence[Tool]) -> Iterator[Segment]:
    if not tools:
        if content is not None:
            yield from _turn("system", content)
        return
    before = f"{content}\n\n" if content is not None else ""
    described = "\n".join(json_text(tool.model_dump()) for tool in tools)
    yield Segment(START, f"system\n{before}{TOOLS_HEADING}{described}{TOOLS_FOOTING}")
    yield from CALL_FORMAT
    yield Segment(TURN_END, "\n")


def _assistant(message: Message, trained: bool) -> Iterator[Segment]:
    yield Segment(START, "assistant\n")
    if message.content:
        yield Segment("", message.content + (BETWEEN if message.tool_calls else ""), trained)
    for number, call in enumerate(message.tool_calls, start=1):
        name = json_text(call.function.name)[1:-1]
        body = f"{CALL_PREFIX}{name}{CALL_MIDDLE} {call.function.arguments}{CALL_SUFFIX}"
        yield Segment(CALL, body, trained)
        yield Segment(CALL_END, BETWEEN if number < len(message.tool_calls) else "", trained)
    yield Segment(END, "", trained)
    yield Segment("", "\n")


def _results(contents: Sequence[str], tokenizer: ChatTokenizer) -> Iterator[Segment]:
    """One user turn of the results of all calls of a message."""
    if RESPONSE in tokenizer.control_tokens and RESPONSE_END in tokenizer.control_tokens:
        yield Segment(START, "user\n")
        for number, content in enumerate(contents, start=1):
            yield Segment(RESPONSE, f"\n{content}\n")
            yield Segment(RESPONSE_END, "\n" if number < len(contents) else "")
    else:
        yield Segment(START, "user\n" + "\n".join(f"{RESPONSE}\n{content}\n{RESPONSE_END}" for content in contents))
    yield Segment(TURN_END, "\n")


HERMES = HermesDialect()

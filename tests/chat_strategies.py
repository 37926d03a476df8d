"""Conversations for hypothesis, with control-token spellings wherever text stands."""

import json
from typing import Any

from hypothesis import strategies as st

from octupus.chat.hermes import HERMES, RESPONSE, RESPONSE_END, THINK, THINK_END
from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall

SPELLINGS = [
    *OCTUPUS.control_tokens,
    *HERMES.control_tokens,
    *(THINK, THINK_END, RESPONSE, RESPONSE_END),
    "<|endoftext|>",
]

plain_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",)).filter(lambda character: character not in "<|>"),
    max_size=12,
)
hostile_text = st.lists(plain_text | st.sampled_from(SPELLINGS), min_size=1, max_size=4).map("".join)


def ids_of(tokenizer: ChatTokenizer, *pieces: str) -> list[int]:
    """Ids of pieces that are each a control token or text."""
    ids: list[int] = []
    for piece in pieces:
        ids += [tokenizer.control_tokens[piece]] if piece in tokenizer.control_tokens else tokenizer.encode(piece)
    return ids


def conversations(text: st.SearchStrategy[str]) -> st.SearchStrategy[Conversation]:
    """Conversations whose every text field is drawn from `text`."""

    def call(number: int, name: str, value: str) -> ToolCall:
        arguments = json.dumps({"value": value}, ensure_ascii=False)
        return ToolCall(id=f"call_{number}", function=FunctionCall(name=name, arguments=arguments))

    def build(parts: Any) -> Conversation:
        system, question, content, names, values, result, closing, descriptions, loss = parts
        calls = tuple(
            call(number, name, value) for number, (name, value) in enumerate(zip(names, values, strict=False))
        )
        messages = [Message(role="user", content=question)]
        if system:
            messages.insert(0, Message(role="system", content=system))
        messages.append(Message(role="assistant", content=content or (None if calls else "yes"), tool_calls=calls))
        messages += [Message(role="tool", content=result, tool_call_id=made.id) for made in calls]
        messages.append(Message(role="assistant", content=closing or "done"))
        tools = tuple(
            Tool(
                function=FunctionDefinition(
                    name=name or "tool",
                    description=description,
                    parameters={"type": "object", "properties": {description: {"type": "string", "title": name}}},
                )
            )
            for name, description in zip(names, descriptions, strict=False)
        )
        return Conversation(
            messages=tuple(messages), tools=tools, loss=tuple(loss[index % 2] for index in range(len(messages)))
        )

    some = st.lists(text, max_size=3)
    return st.tuples(text, text, text, some, some, text, text, some, st.tuples(st.booleans(), st.booleans())).map(build)

"""A required value left out of the request: the assistant asks for it, the user gives it, then the call is made.

The value must leave the request as people would have written it. It is taken out together with the preposition in
front of it, and only where that phrase can go: at the end of a clause or in front of another phrase, and not after
a verb that needs it ("I live in Rome"). So few rows are fit for this, and those read well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from octupus.conversation import Conversation, Message
from octupus.data.augment.common import augmented, first_call, random_for, written_language
from octupus.schema.validation import parse_arguments

NAME: Final = "missing_parameter"
DESCRIPTION_CHARACTERS = 60

QUESTIONS = {
    "en": (
        "Sure. Could you tell me {wanted}?",
        "I can help with that if you tell me {wanted}.",
        "Happy to help! I just need to know {wanted}.",
        "Before I go ahead, could you give me {wanted}?",
        "I need one more detail first: {wanted}. What should I use?",
        "To do this, I also need {wanted}. Could you provide it?",
        "Got it. Please let me know {wanted}.",
        "I'm missing one piece of information: {wanted}.",
        "Please give me {wanted} as well.",
        "Could you please specify {wanted}?",
        "No problem. May I have {wanted}?",
        "I can look into that once I know {wanted}.",
    ),
    "zh": (
        "好的，请问{wanted}是什么？",
        "可以的，不过我还需要知道{wanted}，请您提供一下。",
        "没问题，请告诉我{wanted}。",
        "在继续之前，请先提供{wanted}。",
        "我还缺少一项信息：{wanted}。请问是什么？",
        "为了完成您的请求，我还需要{wanted}。",
        "麻烦您补充一下{wanted}，我马上为您处理。",
        "您还没有说明{wanted}，可以告诉我吗？",
        "请问要使用的{wanted}是什么？",
        "好的，麻烦告诉我一下{wanted}。",
        "请先确认一下{wanted}。",
        "还差一项：{wanted}。请告诉我，我就可以开始了。",
    ),
}
ANSWERS = {
    "en": (
        "{value}",
        "{value}, please.",
        "It's {value}.",
        "Sure: {value}.",
        "Sorry, I forgot. {value}.",
        "{value}. Thanks!",
    ),
    "zh": ("{value}", "{value}，谢谢。", "是{value}。", "哦，忘了说了，{value}。", "{value}，麻烦了。", "{value}。"),
}
_ENGLISH = (
    r" (?:in|for|at|from|to|of|about|with|by|named|called|titled) (?:the (?:city|name|title|company|country) (?:of )?)?"
    r"[\"'“‘]?{value}[\"'”’]?(?=[.?!,;](?:\s|$)|\s*$|"
    r" (?:in|for|at|from|on|with|by|using|tomorrow|today|tonight|now|right now|next|this|please)\b)"
)
_NEEDS_MORE = re.compile(
    r"(?:\b(?:is|am|are|was|were|be|lives?|living|look|looking|stay|staying|interested|located|based|born|search|"
    r"searching|go|going|talk|kind|name|title|works?|working|called|named|from|to|and|or|style|find out)|"
    r"(?:'|’)(?:m|s|re))"
    r"(?: \w+ly| right now| here)?$",
    re.IGNORECASE,
)
"""What must not end the text in front of a phrase that is taken out."""
_CHINESE = (
    r"(?:(?:在|从|给|关于)[“\"'《]?{value}[”\"'》]?的?+|[“\"'《]?{value}[”\"'》]?的)"
    r"(?=[\u4e00-\u9fff])(?!事|情况|信息|内容|资料|东西|详|更多|一些)"
)
_FORMS = {"en": _ENGLISH, "zh": _CHINESE}
_NOUN_PHRASE = re.compile(r"(?:the|a|an) [a-z][a-z' -]*", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z]+(?:[_ -][A-Za-z]+){0,3}")
_IDEOGRAPH = re.compile("[\u4e00-\u9fff]")
_LEAST_LEFT = {"en": 12, "zh": 4}


class Omission(NamedTuple):
    """A value that can be left out: what the request then is, and how to ask for the value."""

    argument: str
    value: str
    request: str
    wanted: str


def applies(conversation: Conversation) -> bool:
    """Whether some required value can be left out of the request."""
    return bool(omissions(conversation))


def omissions(conversation: Conversation) -> list[Omission]:
    """Every value that can be left out, in the order of the call's arguments."""
    position = first_call(conversation)
    written = written_language(conversation)
    if position is None or written is None or len(conversation.messages[position].tool_calls) != 1:
        return []
    call = conversation.messages[position].tool_calls[0].function
    schema: dict[str, Any] = next(
        (tool.function.parameters for tool in conversation.tools if tool.function.name == call.name), {}
    )
    request = conversation.messages[position - 1].content or ""
    before = "".join(message.content or "" for message in conversation.messages[: position - 1])
    arguments = parse_arguments(call.arguments)
    return list(_omissions(arguments, schema, request, before, written))


def missing_parameter(conversation: Conversation, seed: int) -> Conversation | None:
    """The dialogue with a question and an answer in front of the first call; None where nothing can be left out."""
    possible = omissions(conversation)
    position = first_call(conversation)
    written = written_language(conversation)
    if not possible or position is None or written is None:
        return None
    random = random_for(seed, NAME, conversation.id)
    left_out = random.choice(possible)
    question = random.choice(QUESTIONS[written]).format(wanted=left_out.wanted)
    answer = random.choice(ANSWERS[written]).format(value=left_out.value)
    messages = [
        *conversation.messages[: position - 1],
        Message(role="user", content=left_out.request),
        Message(role="assistant", content=question),
        Message(role="user", content=answer),
        *conversation.messages[position:],
    ]
    trained = [conversation.trained(place) for place in range(len(conversation.messages))]
    loss = [*trained[:position], True, False, *trained[position:]]
    return augmented(conversation, NAME, conversation.id, messages, loss=loss)


def _omissions(
    arguments: dict[str, Any], schema: dict[str, Any], request: str, before: str, written: str
) -> Iterator[Omission]:
    for argument in schema.get("required", []):
        value = arguments.get(argument)
        inner = schema.get("properties", {}).get(argument)
        if not isinstance(value, str) or not isinstance(inner, dict) or len(value.strip()) < 2 or not _told(value):
            continue
        others = [other for name, other in arguments.items() if name != argument]
        if value in before or any(value in str(other) or str(other) in value for other in others):
            continue
        wanted = _wanted(argument, str(inner.get("description") or ""), written)
        shorter = _without(request, value, written)
        if wanted and shorter:
            yield Omission(argument, value, shorter, wanted)


def _told(value: str) -> bool:
    """Whether the value is one that a person names in a word or a few; braces and lines would break the answers."""
    return value == value.strip() and len(value) <= 40 and not re.search(r"[\n{}]|^[\d\W]+$", value)


def _without(request: str, value: str, written: str) -> str | None:
    """The request without the value and the words that introduce it; None when that cannot be done well."""
    if request.count(value) != 1:
        return None
    found = re.search(_FORMS[written].replace("{value}", re.escape(value)), request)
    if found is None or _NEEDS_MORE.search(request[: found.start()]):
        return None
    shorter = (request[: found.start()] + request[found.end() :]).strip()
    return shorter if len(shorter) >= _LEAST_LEFT[written] and len(request.splitlines()) == 1 else None


def _wanted(argument: str, description: str, written: str) -> str | None:
    """How to name the argument in a question: its description where that is a noun phrase, else its name."""
    phrase = re.split(r"[.,;:(（。，；：]", description, maxsplit=1)[0].strip()
    if written == "zh":
        usable = (
            _IDEOGRAPH.match(phrase) and len(phrase) <= 20 and not phrase.startswith(("是否", "要", "需要", "用于"))
        )
        return phrase if usable else None
    if len(phrase) <= DESCRIPTION_CHARACTERS and _NOUN_PHRASE.fullmatch(phrase):
        lowered = phrase[0].lower() + phrase[1:]
        return re.sub("^an? ", "the ", lowered)
    return f"the {re.sub('[_-]', ' ', argument).lower()}" if _NAME.fullmatch(argument) else None

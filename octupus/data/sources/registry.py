"""The formats by name: how each recognises its rows and converts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octupus.conversation import Conversation
from octupus.data.sources import alpaca, openai_messages, sharegpt


@dataclass(frozen=True, slots=True)
class Format:
    """One form of rows."""

    name: str
    recognises: Callable[[dict[str, Any]], bool]
    convert: Callable[[dict[str, Any]], Conversation]


FORMATS: dict[str, Format] = {
    name: Format(name, module.recognises, module.convert)
    for name, module in (
        ("openai_messages", openai_messages),
        ("sharegpt", sharegpt),
        ("alpaca", alpaca),
    )
}

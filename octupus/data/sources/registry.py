"""The formats by name: how each recognises its rows and converts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from octupus.conversation import Conversation
from octupus.data.sources import (
    alpaca,
    apibank,
    bfcl,
    fc_zh_hard,
    glaive,
    hammer,
    hermes,
    oasst,
    openai_messages,
    openhermes,
    sealtools,
    sharegpt,
    taubench,
    toolace,
    toolalpaca,
    toolllama,
    wildchat,
    xlam,
)

Convert = Callable[[dict[str, Any]], Conversation | tuple[Conversation, ...]]
"""A row of JSON to its conversation, or to several where a row holds several. Raises ConversionError."""


@dataclass(frozen=True, slots=True)
class Format:
    """One form of rows."""

    name: str
    looks: str
    """How its rows look, in a line."""
    recognises: Callable[[dict[str, Any]], bool]
    bind: Callable[[Path], Convert]
    """The converter for one corpus file; some read a companion file beside it first."""


def _format(name: str, module: ModuleType) -> Format:
    """A module defines `recognises(row)`, and either `convert(row)` or, when it needs companions, `bind(path)`."""
    bind = getattr(module, "bind", None) or (lambda path: module.convert)
    looks = (module.__doc__ or "").partition("\n")[0].rstrip(".")
    return Format(name, looks, module.recognises, bind)


FORMATS: dict[str, Format] = {
    name: _format(name, module)
    for name, module in {
        "toolace": toolace,
        "hermes": hermes,
        "toolllama": toolllama,
        "glaive": glaive,
        "fc_zh_hard": fc_zh_hard,
        "xlam": xlam,
        "wildchat": wildchat,
        "oasst": oasst,
        "apibank": apibank,
        "sealtools": sealtools,
        "toolalpaca": toolalpaca,
        "taubench": taubench,
        "hammer": hammer,
        "bfcl": bfcl,
        "openai_messages": openai_messages,
        "openhermes": openhermes,
        "sharegpt": sharegpt,
        "alpaca": alpaca,
    }.items()
}
"""Looked at in this order when a format is to be found out: of equal votes the earlier, more special one wins."""

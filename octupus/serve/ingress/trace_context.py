"""W3C Trace Context: the ids by which a request is followed through several services, read, kept and passed on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_TRACE_STATE = 512
"""Characters of `tracestate` that are passed on; the standard asks for at least as many."""

# https://www.w3.org/TR/trace-context/#traceparent-header; a later version may say more after the flags.
_PARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?"
)
_STATE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a request stands in a trace; empty when the client sent none, or an invalid one."""

    parent: str | None = None
    """The value of `traceparent`."""
    state: str | None = None
    """The value of `tracestate`, other vendors' data."""

    @property
    def trace_id(self) -> str | None:
        """32 hexadecimal digits."""
        return None if self.parent is None else self.parent.split("-")[1]

    def headers(self) -> dict[str, str]:
        """What is sent along with requests made on behalf of this one."""
        named = {"traceparent": self.parent, "tracestate": self.state}
        return {name: value for name, value in named.items() if value}


def trace_context_of(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext:
    """The context that a request's headers tell. An invalid one is ignored, as the standard asks; nothing is raised."""
    parents: list[str] = []
    states: list[str] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value.decode("latin-1").strip())
        elif name == b"tracestate":
            states.append(value.decode("latin-1").strip())
    if len(parents) != 1 or not _valid(parents[0]):
        return TraceContext()
    state = ",".join(part for part in states if part)
    usable = len(state) <= MAX_TRACE_STATE and _STATE.fullmatch(state)
    return TraceContext(parents[0], state if state and usable else None)


def _valid(parent: str) -> bool:
    match = _PARENT.fullmatch(parent)
    return match is not None and (match[1] != "00" or match[5] is None)

"""What a request allows, as plain values that travel to the engine as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

AUTO, NONE, REQUIRED = "auto", "none", "required"
DEFAULT_BACKEND = "llguidance"


@dataclass(frozen=True)
class ValueSpec:
    """A JSON value: its schema in normal form, and the backend that enforces it."""

    schema: dict[str, Any]
    backend: str = DEFAULT_BACKEND


@dataclass(frozen=True)
class TurnSpec:
    """The rules of one assistant turn."""

    tools: dict[str, ValueSpec] = field(default_factory=dict)
    """The tools that may be called, by name. A named choice is `required` with that tool alone."""
    tool_choice: str = AUTO
    parallel: bool = True
    """Whether the turn may hold more than one call."""
    max_calls: int | None = None
    max_tokens: int | None = None
    """Length of the whole turn, `generated` and the end token included; None is no limit."""
    content: ValueSpec | None = None
    """What content must be, where it must be JSON."""
    pattern: str | None = None
    """A regular expression that the whole content must match."""
    thinking: bool = True
    """Whether the turn may open with a thinking block, where the dialect has one."""
    generated: tuple[int, ...] = ()
    """Tokens of the turn that exist already, such as those of an answer that another replica began."""

    def to_json(self) -> str:
        """The spec as text; equal specs give equal texts."""
        return json.dumps({"octupus": asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> TurnSpec:
        """The spec that `to_json` wrote."""
        fields = json.loads(text)["octupus"]
        content = fields["content"]
        return cls(
            **fields
            | {
                "tools": {name: ValueSpec(**value) for name, value in fields["tools"].items()},
                "content": None if content is None else ValueSpec(**content),
                "generated": tuple(fields["generated"]),
            }
        )

"""What a constraint cannot enforce: a keyword, where it stands, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unsupported:
    """One keyword of a schema. `json_pointer` leads to it in the schema as its author wrote it."""

    keyword: str
    json_pointer: str
    explanation: str

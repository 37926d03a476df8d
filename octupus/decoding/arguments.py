"""The interface behind which a library enforces the JSON Schema of one call's arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from octupus.decoding.vocabulary import Mask


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A keyword that a backend cannot enforce, where it stands, and why."""

    keyword: str
    json_pointer: str
    explanation: str


class ArgumentsMatcher(Protocol):
    """Follows the arguments of one call, token by token."""

    def fill(self, row: Mask) -> None:
        """Overwrite `row` with the tokens that may come next. The end of the turn is never among them."""
        ...

    def accept(self, token_id: int) -> bool:
        """Take one token; False, and nothing changed, when it may not come next."""
        ...

    def rollback(self, count: int) -> None:
        """Take back the last `count` accepted tokens."""
        ...

    def can_end(self) -> bool:
        """Whether the arguments are complete."""
        ...

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model prefers; empty when there is a choice."""
        ...

    def fork(self) -> ArgumentsMatcher:
        """An independent copy."""
        ...


class ArgumentsBackend(Protocol):
    """One library. Schemas are given as tools declare them; each backend prepares them by `schema.admission`."""

    name: str

    def check(self, schema: dict[str, Any]) -> list[Unsupported]:
        """What the backend cannot enforce; empty means that every admitted instance is valid."""
        ...

    def start(self, schema: dict[str, Any]) -> ArgumentsMatcher:
        """A matcher at the first character of the arguments. The schema must have passed `check`."""
        ...

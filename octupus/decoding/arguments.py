"""The interface behind which a library enforces a JSON Schema, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from octupus.decoding.vocabulary import Mask
from octupus.schema.normal import NormalSchema
from octupus.schema.unsupported import Unsupported


@dataclass(frozen=True, slots=True)
class Frame:
    """Text around a value that its matcher follows too, because one token may hold an end of both."""

    spaced: bool = False
    """Whether one space may stand before the value."""
    after: str = ""
    """What must stand behind the value."""


BARE = Frame()


class MatcherError(RuntimeError):
    """A library gave up in the middle of a value, such as by one of its limits."""


class ArgumentsMatcher(Protocol):
    """Follows one JSON value, such as the arguments of a call, and the frame around it."""

    def fill(self, row: Mask) -> None:
        """Overwrite `row` with the tokens that may come next. The end of the turn is never among them.

        Raises MatcherError when the library gave up.
        """
        ...

    def accept(self, token_id: int) -> bool:
        """Take one token; False, and nothing changed, when it may not come next."""
        ...

    def rollback(self, count: int) -> None:
        """Take back the last `count` accepted tokens."""
        ...

    def can_end(self) -> bool:
        """Whether the value and its frame are complete. Numbers and the like may still go on then."""
        ...

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model prefers; empty when there is a choice."""
        ...

    def fork(self) -> ArgumentsMatcher:
        """An independent copy."""
        ...


class ArgumentsBackend(Protocol):
    """One library. It is given schemas in normal form (`schema.normal`) alone."""

    name: str

    def check(self, normal: NormalSchema) -> list[Unsupported]:
        """What the backend cannot enforce of a normal form.

        Empty means that every text the matcher lets end is an instance of `normal.schema`.
        """
        ...

    def start(self, schema: dict[str, Any], frame: Frame = BARE) -> ArgumentsMatcher:
        """A matcher at the first character. `schema` is the `schema` of a normal form that passed `check`."""
        ...

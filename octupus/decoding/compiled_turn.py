"""A spec with everything that its turn needs, made before generation: matchers to copy, names as ids, costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from octupus.chat.layout import TurnLayout
from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.names import NameNode, name_trie
from octupus.decoding.spec import NONE, REQUIRED, TurnSpec
from octupus.decoding.vocabulary import LONGEST_CHARACTER, TokenVocabulary


class Follower(Protocol):
    """See closing.ClosingFollower."""

    @property
    def reach(self) -> int:
        """Most tokens that the rest can need after any one further token."""
        ...

    @property
    def free(self) -> bool:
        """Whether any plain text may follow and the same path still closes."""
        ...

    def advance(self, data: bytes) -> None:
        """Go on by what was written."""
        ...

    def path(self, matcher: ArgumentsMatcher) -> list[int]:
        """Tokens that complete the value from here."""
        ...


class Plan(Protocol):
    """See closing.ClosingPlan."""

    @property
    def shortest(self) -> tuple[int, ...] | None:
        """Ids of a smallest value."""
        ...

    @property
    def bound(self) -> int | None:
        """Most tokens that closing can take from any state, after one more token."""
        ...

    def follower(self) -> Follower:
        """A reader at the start of the value."""
        ...


@dataclass(frozen=True)
class CompiledValue:
    """A value ready to be constrained: a matcher to copy, and how it closes."""

    prototype: ArgumentsMatcher
    plan: Plan
    shortest: tuple[int, ...]
    may_go_on: bool
    """Whether a complete value may be followed by more of it, as a number by digits."""


@dataclass(frozen=True)
class CompiledTurn:
    """A spec with all that its turn needs. Costs are tokens, the end of the turn included."""

    spec: TurnSpec
    vocabulary: TokenVocabulary
    layout: TurnLayout
    tools: dict[str, CompiledValue]
    names: dict[str, list[int]]
    content: CompiledValue | None
    after_thinking: tuple[int, ...]
    between: tuple[int, ...]

    @property
    def call_tail(self) -> int:
        """Tokens from the end of a call's arguments to the end of the turn."""
        return 1 + (self.layout.call_end is not None)

    @cached_property
    def call_costs(self) -> dict[str, int]:
        """For each tool, tokens of its shortest call, from the token that opens it to the end of the turn."""
        return {
            name: 1 + len(ids) + len(self.tools[name].shortest) + self.call_tail for name, ids in self.names.items()
        }

    @cached_property
    def cheapest_call(self) -> int | None:
        """Tokens of the shortest call of any tool; None where none may be called."""
        return None if self.spec.tool_choice == NONE else min(self.call_costs.values(), default=None)

    @cached_property
    def content_cost(self) -> int:
        """Tokens of the shortest content, and the end."""
        opening = self.layout.content is not None
        return opening + (1 if self.content is None else max(1, len(self.content.shortest))) + 1

    @cached_property
    def shortest(self) -> int:
        """Tokens of the shortest turn."""
        costs = [] if self.spec.tool_choice == REQUIRED else [self.content_cost]
        if self.cheapest_call is not None:
            costs.append(self.cheapest_call)
        return min(costs)

    @cached_property
    def watched(self) -> int | None:
        """Tokens before the end of the budget in which it may take a choice from the model; None for all of them."""
        values = [*self.tools.values(), *([] if self.content is None else [self.content])]
        bounds = [value.plan.bound for value in values]
        known = [bound for bound in bounds if bound is not None]
        if len(known) < len(bounds):
            return None
        return max(known, default=0) + self.call_tail + self.shortest + len(self.after_thinking) + LONGEST_CHARACTER

    @cached_property
    def trie(self) -> NameNode:
        """All names."""
        return self.trie_of(self.names)

    def trie_of(self, names: Iterable[str]) -> NameNode:
        """The trie of some names."""
        return name_trie({name: self.names[name] for name in names})

"""The one description of an allowed assistant turn.

Phases: start -> content -> name -> arguments -> done. The constraint owns the control tokens, the tool names, tool
choice, parallel calls and the UTF-8 of content; the inside of a call's arguments is left to a backend.

While few tokens are left of `max_tokens`, it keeps a way to close the open call and walks it in time. How far that way
can grow by one token is a measured margin here, not a proof.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from octupus.decoding.arguments import ArgumentsBackend, ArgumentsMatcher
from octupus.decoding.closing import closing_path
from octupus.decoding.names import NameNode, name_trie
from octupus.decoding.vocabulary import COMPLETE, Mask, TokenVocabulary, Utf8State, allow, allows

AUTO, NONE, REQUIRED = "auto", "none", "required"

WATCHED_TOKENS = 256
"""With more tokens left than this, nothing is computed about closing."""
MARGIN = 24
"""By how many tokens the way to close may grow with the next one (measured at most 11 on BFCL's schemas)."""


@dataclass(frozen=True)
class TurnSpec:
    """What a request allows, as plain values that travel to the engine as JSON.

    `tool_choice` is auto, none or required; a named choice is `required` with that tool alone. `tools` maps each
    tool's name to the JSON Schema of its arguments.
    """

    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    tool_choice: str = AUTO
    parallel: bool = True
    backend: str = "llguidance"
    max_tokens: int | None = None
    """Length of the whole turn, its end token included; None is no limit."""

    def to_json(self) -> str:
        """The spec as text; equal specs give equal texts."""
        return json.dumps({"octupus": self.__dict__}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> TurnSpec:
        """The spec that `to_json` wrote."""
        return cls(**json.loads(text)["octupus"])


class Phase(enum.Enum):
    """What the turn is writing."""

    START = "start"
    CONTENT = "content"
    NAME = "name"
    ARGUMENTS = "arguments"
    DONE = "done"


@dataclass(slots=True)
class _State:
    phase: Phase = Phase.START
    calls: int = 0
    utf8: Utf8State = COMPLETE
    empty: bool = True
    """Whether the content has no text yet."""
    node: NameNode | None = None
    matcher: ArgumentsMatcher | None = None
    matched: bool = False
    """Whether the token that led here was taken by the matcher."""
    closing: tuple[int, ...] = ()
    """What is left of the way that closes the turn, once it is being walked."""
    watched: bool = False
    """Whether it has been decided if that way must be walked from here."""


class TurnConstraint:
    """Follows one assistant turn and says which tokens may come next.

    The same constraint serves every backend. With `required` the turn consists of calls alone; with `none` or without
    tools, of content alone.
    """

    def __init__(self, spec: TurnSpec, vocabulary: TokenVocabulary, backend: ArgumentsBackend) -> None:
        self._spec = spec
        self._vocabulary = vocabulary
        self._backend = backend
        self._names = name_trie(spec.tools, vocabulary)
        self._state = _State()
        self._history: list[_State] = []
        self._ids: list[int] = []
        self._shortest_calls: dict[str, int | None] = {}

    @property
    def phase(self) -> Phase:
        """What the turn is writing now."""
        return self._state.phase

    def fill(self, row: Mask) -> None:
        """Overwrite `row` (uint32 words, `vocabulary.words` or more) with the tokens that may come next."""
        listed = self._listed()
        if listed is not None:
            row[:] = 0
            allow(row, listed)
            return
        state = self._state
        if state.phase is Phase.CONTENT:
            text, _ = self._vocabulary.text(state.utf8)
            row[: len(text)] = text
            row[len(text) :] = 0
            allow(row, self._after_content())
        elif state.matcher is not None:
            state.matcher.fill(row)

    def accept(self, token_id: int) -> bool:
        """Take one token; False, and nothing changed, when it may not come next."""
        closing = self._closing()
        if closing and token_id != closing[0]:
            return False
        following = self._following(token_id)
        if following is None:
            return False
        following.closing = closing[1:]
        self._history.append(self._state)
        self._state = following
        self._ids.append(token_id)
        return True

    def accept_all(self, ids: Sequence[int]) -> bool:
        """Take all of `ids`, or none of them."""
        for count, token_id in enumerate(ids):
            if not self.accept(token_id):
                self.rollback(count)
                return False
        return True

    def rollback(self, count: int) -> None:
        """Take back the last `count` accepted tokens."""
        for _ in range(count):
            state = self._state
            if state.matched and state.matcher is not None:
                state.matcher.rollback(1)
            self._state = self._history.pop()
            self._ids.pop()

    def shortest(self) -> int | None:
        """Tokens of the shortest turn from its start, the end included; None when no way to end it is known."""
        if self._spec.tool_choice != REQUIRED:
            return 3
        costs = [self._shortest_call(name) for name in self._spec.tools]
        return min((cost for cost in costs if cost is not None), default=None)

    def can_end(self) -> bool:
        """Whether the end token may come next, or has come."""
        return self._state.phase is Phase.DONE or self._vocabulary.end in self._structural()

    def is_done(self) -> bool:
        """Whether the end token has come."""
        return self._state.phase is Phase.DONE

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model prefers; empty when there is a choice."""
        listed = self._listed()
        if listed is not None:
            return listed if len(listed) == 1 else []
        if self._state.phase is Phase.ARGUMENTS and self._state.matcher is not None:
            return self._state.matcher.forced()
        return []

    def fork(self) -> TurnConstraint:
        """An independent copy that starts here: it cannot be rolled back past this point."""
        copy = TurnConstraint.__new__(TurnConstraint)
        copy.__dict__.update(self.__dict__)
        state = self._state
        copy._history = []
        copy._ids = list(self._ids)
        copy._state = _State(
            state.phase,
            state.calls,
            state.utf8,
            state.empty,
            state.node,
            state.matcher.fork() if state.matcher is not None else None,
            closing=state.closing,
        )
        return copy

    def _listed(self) -> list[int] | None:
        """The allowed tokens where they are few, or None where only a mask can hold them."""
        closing = self._closing()
        if closing:
            return [closing[0]]
        state = self._state
        if state.phase is Phase.CONTENT:
            return None
        if state.phase is Phase.NAME and state.node is not None:
            return list(state.node.children)
        if state.phase is Phase.ARGUMENTS and not self._arguments_complete():
            return None
        return self._structural()

    def _structural(self) -> list[int]:
        """The control tokens that may come next, outside of names."""
        vocabulary, state = self._vocabulary, self._state
        if state.phase is Phase.START:
            content = [] if self._spec.tool_choice == REQUIRED else [vocabulary.content]
            return content + ([vocabulary.call] if self._may_call() else [])
        if state.phase is Phase.CONTENT:
            return self._after_content()
        if state.phase is Phase.ARGUMENTS and self._arguments_complete():
            return ([vocabulary.call] if self._may_call() else []) + [vocabulary.end]
        return []

    def _after_content(self) -> list[int]:
        if self._state.empty or self._state.utf8 != COMPLETE:
            return []
        return ([self._vocabulary.call] if self._may_call() else []) + [self._vocabulary.end]

    def _may_call(self) -> bool:
        spec = self._spec
        if not spec.tools or spec.tool_choice == NONE or not (spec.parallel or self._state.calls == 0):
            return False
        return bool(self._callable())

    def _left(self) -> int | None:
        """Tokens left of the budget, or None when there is plenty."""
        if self._spec.max_tokens is None:
            return None
        left = self._spec.max_tokens - len(self._ids)
        return left if left <= WATCHED_TOKENS else None

    def _callable(self) -> list[str]:
        """The tools whose shortest call still fits. A first call that is required may use the margin up."""
        left = self._left()
        if left is None:
            return list(self._spec.tools)
        costs = {name: self._shortest_call(name) for name in self._spec.tools}
        fitting = [name for name, cost in costs.items() if cost is not None and cost + MARGIN <= left]
        if not fitting and self._spec.tool_choice == REQUIRED and self._state.calls == 0:
            known = {name: cost for name, cost in costs.items() if cost is not None and cost <= left}
            return [min(known, key=known.__getitem__)] if known else list(self._spec.tools)
        return fitting

    def _shortest_call(self, name: str) -> int | None:
        """Tokens of the shortest call of a tool, its two control tokens and the end included; None if not known."""
        if name not in self._shortest_calls:
            matcher = self._backend.start(self._spec.tools[name])
            path = closing_path(matcher, "", self._vocabulary)
            named = len(self._vocabulary.tokenizer.encode(name))
            self._shortest_calls[name] = None if path is None else named + len(path) + 3
        return self._shortest_calls[name]

    def _closing(self) -> tuple[int, ...]:
        """The rest of the way that closes the open call, once it must be walked; else empty.

        Kept with the state, so that asking again costs nothing and taking tokens back forgets it.
        """
        state = self._state
        left = self._left()
        if state.closing or left is None or state.phase is not Phase.ARGUMENTS or state.matcher is None:
            return state.closing
        if not state.watched:
            state.watched = True
            begin = len(self._ids) - self._ids[::-1].index(self._vocabulary.parameters)
            text = self._vocabulary.tokenizer.decode(self._ids[begin:])
            path = closing_path(state.matcher, text, self._vocabulary)
            if path is not None and len(path) + 1 + MARGIN >= left:
                state.closing = (*path, self._vocabulary.end)
        return state.closing

    def _arguments_complete(self) -> bool:
        # A schema of arguments is an object, so nothing can follow once it is complete.
        return self._state.matcher is not None and self._state.matcher.can_end()

    def _following(self, token_id: int) -> _State | None:
        vocabulary, state = self._vocabulary, self._state
        if token_id in self._structural():
            if token_id == vocabulary.end:
                return _State(Phase.DONE, state.calls)
            if token_id == vocabulary.call:
                left = self._left()
                names = self._names if left is None else name_trie(self._callable(), self._vocabulary)
                return _State(Phase.NAME, state.calls, node=names)
            return _State(Phase.CONTENT, state.calls)
        if state.phase is Phase.CONTENT:
            text, partial = vocabulary.text(state.utf8)
            if not allows(text, token_id):
                return None
            return _State(Phase.CONTENT, state.calls, partial.get(token_id, COMPLETE), empty=False)
        if state.phase is Phase.NAME and state.node is not None:
            node = state.node.children.get(token_id)
            if node is None or node.tool is None:
                return None if node is None else _State(Phase.NAME, state.calls, node=node)
            matcher = self._backend.start(self._spec.tools[node.tool])
            return _State(Phase.ARGUMENTS, state.calls + 1, matcher=matcher)
        if state.phase is Phase.ARGUMENTS and state.matcher is not None and state.matcher.accept(token_id):
            return _State(Phase.ARGUMENTS, state.calls, matcher=state.matcher, matched=True)
        return None

"""The one description of an allowed assistant turn, for both dialects.

Phases: start -> thinking -> content -> name -> arguments -> done. The constraint owns control tokens, tool names, tool
choice, the number of calls, UTF-8 in text, and the budget; the inside of a JSON value is left to a backend.

**The budget.** Invariant: from every state that the constraint lets a model reach, some way to the end of the turn is
no longer than what is left of `max_tokens`. It holds at the start, because admission refuses less than
`CompiledTurn.shortest`. Outside of values the shortest way is known exactly, and a token is allowed only if the way
behind it still fits. Inside a value, `reach` of the closing plan bounds the way behind *any* next token
(`decoding.closing` proves it): while that fits, nothing is restricted; else only the next token of the closing path is
allowed, and plain text in a string that the same path closes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from octupus.decoding.arguments import ArgumentsMatcher, MatcherError
from octupus.decoding.compiled_turn import CompiledTurn, CompiledValue, Follower
from octupus.decoding.names import NameNode
from octupus.decoding.spec import REQUIRED
from octupus.decoding.turn_state import PLENTY, Phase, TurnState
from octupus.decoding.vocabulary import COMPLETE, LONGEST_CHARACTER, Mask, Utf8State, allow, allows

logger = logging.getLogger("octupus.decoding.turn")

OPTIONAL_ROOM = 24
"""Tokens that must be left beyond the shortest call before a call that nobody asked for is begun: arguments in which
nothing but what is required fits help nobody."""


class TurnConstraint:
    """Follows one assistant turn. Made by `TurnFactory`; not for several threads at once."""

    def __init__(self, compiled: CompiledTurn) -> None:
        self._turn = compiled
        self._vocabulary = compiled.vocabulary
        self._budget = PLENTY if compiled.spec.max_tokens is None else compiled.spec.max_tokens
        self._state = TurnState()
        self._history: list[TurnState] = []
        self._ids: list[int] = []
        self._follower: Follower | None = None
        self._followed = 0
        self._broken = False

    @property
    def phase(self) -> Phase:
        """What the turn is writing now."""
        return self._state.phase

    @property
    def hurried(self) -> bool:
        """Whether the budget has taken a choice from the model: the turn is valid, and not what it wanted to write."""
        return self._state.hurried

    def fill(self, row: Mask) -> None:
        """Overwrite `row` (uint32 words, `vocabulary.words` or more) with the tokens that may come next."""
        state = self._state
        if state.matcher is not None and len(self._ids) < state.watch and not (state.complete or state.listing):
            self._fill_from(state.matcher, row)
            return
        listed, mask, matcher = self._allowed()
        if matcher is not None:
            self._fill_from(matcher, row)
            if self._broken:
                return
            if mask is not None:
                row[: len(mask)] &= mask
        elif mask is not None:
            row[: len(mask)] = mask
            row[len(mask) :] = 0
        else:
            row[:] = 0
        allow(row, listed)

    def accept(self, token_id: int) -> bool:
        """Take one token; False, and nothing changed, when it may not come next."""
        listed, mask, matcher = self._allowed()
        if token_id in listed:
            following = self._behind_listed(token_id)
        elif mask is not None and not allows(mask, token_id):
            return False
        elif matcher is not None:
            following = self._behind_matched(token_id)
        elif mask is not None:
            following = self._behind_text(token_id)
        else:
            return False
        if following is None:
            return False
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
        if self._followed > len(self._ids):
            self._follower = None

    def can_end(self) -> bool:
        """Whether the end token may come next, or has come."""
        return self.is_done() or self._vocabulary.end in self._allowed()[0]

    def is_done(self) -> bool:
        """Whether the end token has come."""
        return self._state.phase is Phase.DONE

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model prefers; empty when there is a choice."""
        listed, mask, matcher = self._allowed()
        if mask is None and matcher is None:
            return listed if len(listed) == 1 else []
        if matcher is not None and not listed and self._state.watch > len(self._ids):
            forced = matcher.forced()
            return forced if len(self._ids) + len(forced) < self._state.watch else []
        return []

    def fork(self) -> TurnConstraint:
        """An independent copy that starts here: it cannot be rolled back past this point."""
        copy = TurnConstraint(self._turn)
        state = self._state
        copy._ids, copy._broken = list(self._ids), self._broken
        copy._state = replace(state, matcher=None if state.matcher is None else state.matcher.fork(), matched=False)
        return copy

    def _fill_from(self, matcher: ArgumentsMatcher, row: Mask) -> None:
        try:
            matcher.fill(row)
        except MatcherError:
            self._fail()
            row[:] = 0
            allow(row, [self._vocabulary.end])

    def _fail(self) -> None:
        # An engine that serves others must not fall: the turn ends here, and the check of finished turns tells.
        logger.exception("matcher_failed after %d tokens", len(self._ids))
        self._broken = True

    def _left(self) -> int:
        return self._budget - len(self._ids)

    def _allowed(self) -> tuple[list[int], Mask | None, ArgumentsMatcher | None]:
        """What may come next: listed tokens, and those of a mask and of a matcher, of both where there are both."""
        phase = self._state.phase
        if self._broken and phase is not Phase.DONE:
            return [self._vocabulary.end], None, None
        if phase is Phase.ARGUMENTS or (phase is Phase.CONTENT and self._state.value is not None):
            return self._within_value()
        if phase is Phase.START:
            return self._at_start()
        if phase is Phase.CONTENT:
            return self._within_content()
        if phase is Phase.THINKING:
            return self._within_thinking()
        return self._between_parts(), None, None

    def _at_start(self) -> tuple[list[int], Mask | None, ArgumentsMatcher | None]:
        turn, left, state = self._turn, self._left(), self._state
        listed = self._calls()
        thinking = turn.layout.think if turn.spec.thinking and not state.thought else None
        if thinking is not None and left >= 2 + len(turn.after_thinking) + turn.shortest:
            listed.append(thinking)
        if turn.spec.tool_choice == REQUIRED or left < turn.content_cost:
            return listed, None, None
        if turn.layout.content is not None:
            return [*listed, turn.layout.content], None, None
        if turn.content is not None:
            self._open_content(state)
            within, mask, matcher = self._within_value()
            return listed + within, mask, matcher
        return listed, self._text(1), None

    def _within_thinking(self) -> tuple[list[int], Mask | None, ArgumentsMatcher | None]:
        turn, state = self._turn, self._state
        assert turn.layout.think_end is not None
        end = [turn.layout.think_end] if state.utf8 == COMPLETE else []
        return end, self._text(1 + len(turn.after_thinking) + turn.shortest), None

    def _within_content(self) -> tuple[list[int], Mask | None, ArgumentsMatcher | None]:
        state = self._state
        if state.empty or state.utf8 != COMPLETE:
            return [], self._text(1), None
        calls = self._calls() if state.separated or not self._turn.between else []
        return [self._vocabulary.end, *calls], self._text(1), None

    def _text(self, cost: int) -> Mask | None:
        """Tokens of text behind which `cost` tokens still fit, those included that complete a character."""
        vocabulary, state = self._vocabulary, self._state
        room = self._left() - cost - 1
        mask, partial = vocabulary.text(state.utf8)
        if room >= LONGEST_CHARACTER:
            return mask
        if room < 0:
            state.hurried = True
            return None
        if state.utf8 == COMPLETE:
            return vocabulary.whole
        return vocabulary.mask(
            token_id for token_id in vocabulary.listed(mask) if partial.get(token_id, COMPLETE)[0] <= room
        )

    def _between_parts(self) -> list[int]:
        turn, state = self._turn, self._state
        if state.phase is Phase.FIXED:
            return [state.due[0]]
        if state.phase is Phase.NAME and state.node is not None:
            return list(state.node.children)
        if state.phase is Phase.AFTER_CALL:
            return [turn.vocabulary.end, *self._separated_calls()]
        return []

    def _within_value(self) -> tuple[list[int], Mask | None, ArgumentsMatcher | None]:
        state = self._state
        assert state.value is not None
        assert state.matcher is not None
        listed = self._behind_value() if state.complete else []
        if listed and not state.value.may_go_on:
            return listed, None, None
        closing = self._closing()
        if closing is None:
            return listed, None, state.matcher
        token_id, plain = closing
        if token_id >= 0:
            listed.append(token_id)
        return (listed, self._vocabulary.plain, state.matcher) if plain else (listed, None, None)

    def _behind_value(self) -> list[int]:
        """Tokens that may follow a complete value."""
        call_end = self._turn.layout.call_end
        if self._state.phase is Phase.ARGUMENTS and call_end is not None:
            return [call_end]
        return [self._vocabulary.end, *self._separated_calls()]

    def _separated_calls(self) -> list[int]:
        """What begins a call behind a finished part: the text that separates them, else the call's own token."""
        between = self._turn.between
        calls = self._calls(len(between))
        return list(between[:1] or calls) if calls else []

    def _calls(self, before: int = 0) -> list[int]:
        """The token that opens a call, where one may be begun behind `before` more tokens."""
        turn, calls = self._turn, self._state.calls
        most = turn.spec.max_calls if turn.spec.parallel else 1
        if turn.cheapest_call is None or (most is not None and calls >= most):
            return []
        fits = turn.cheapest_call + self._room() <= self._left() - before
        return [turn.layout.call] if fits else []

    def _callable(self) -> list[str]:
        """The tools whose shortest call still fits."""
        left = self._left() - self._room()
        return [name for name, cost in self._turn.call_costs.items() if cost <= left]

    def _room(self) -> int:
        turn, state = self._turn, self._state
        asked_for = turn.spec.tool_choice == REQUIRED and state.calls == 0
        only_way = state.phase is Phase.START and self._left() < turn.content_cost
        return 0 if asked_for or only_way else OPTIONAL_ROOM

    def _closing(self) -> tuple[int, bool] | None:
        """What the budget leaves of the choice: see `TurnState.closing`. A token of -1 stands for the value's end."""
        state = self._state
        if len(self._ids) < state.watch or state.judged:
            return state.closing
        assert state.value is not None
        assert state.matcher is not None
        state.judged = True
        room = self._left() - self._tail()
        follower = self._follow()
        if follower.reach < room:
            return None
        if state.path is None:
            state.path = () if state.complete else self._path(follower, state.matcher)
        state.hurried = True
        state.closing = (state.path[0] if state.path else -1, follower.free and len(state.path) < room)
        return state.closing

    def _path(self, follower: Follower, matcher: ArgumentsMatcher) -> tuple[int, ...]:
        try:
            return tuple(follower.path(matcher))
        except MatcherError:
            self._fail()
            return (self._vocabulary.end,)

    def _tail(self) -> int:
        return 1 if self._state.phase is not Phase.ARGUMENTS else self._turn.call_tail

    def _follow(self) -> Follower:
        state = self._state
        assert state.value is not None
        if self._follower is None or self._followed < state.begin:
            self._follower, self._followed = state.value.plan.follower(), state.begin
        data = self._vocabulary.token_bytes
        self._follower.advance(b"".join(data[token_id] for token_id in self._ids[self._followed :]))
        self._followed = len(self._ids)
        return self._follower

    def _behind_listed(self, token_id: int) -> TurnState | None:
        turn, state = self._turn, self._state
        layout, phase = turn.layout, state.phase
        if self._broken:
            return self._next(Phase.DONE)
        if phase is Phase.FIXED:
            return self._open_name() if token_id == layout.call else self._fixed(state.due[1:])
        if phase is Phase.NAME and state.node is not None:
            node = state.node.children[token_id]
            return self._open_arguments(node.tool) if node.tool is not None else self._next(Phase.NAME, node=node)
        if phase is Phase.ARGUMENTS and not state.complete:
            return self._behind_matched(token_id)
        if token_id == turn.vocabulary.end:
            return self._next(Phase.DONE)
        if token_id == layout.call:
            return self._open_name()
        if phase is Phase.ARGUMENTS and token_id == layout.call_end:
            return self._next(Phase.AFTER_CALL)
        if phase is Phase.AFTER_CALL or (state.complete and token_id in turn.between[:1]):
            return self._fixed((*turn.between[1:], layout.call))
        if phase is Phase.THINKING:
            return self._fixed(turn.after_thinking)
        if token_id == layout.think and phase is Phase.START:
            return self._next(Phase.THINKING)
        if token_id == layout.content and phase is Phase.START:
            content = self._next(Phase.CONTENT)
            if turn.content is not None:
                self._open_content(content, len(self._ids) + 1)
            return content
        return self._behind_matched(token_id)

    def _fixed(self, due: tuple[int, ...]) -> TurnState:
        """The state with `due` fixed tokens to write; behind thinking, the turn starts once they are written."""
        if due:
            return replace(self._next(Phase.FIXED), due=due)
        return replace(self._next(Phase.START), thought=True)

    def _behind_text(self, token_id: int) -> TurnState | None:
        state = self._state
        _, partial = self._vocabulary.text(state.utf8)
        phase = Phase.CONTENT if state.phase is Phase.START else state.phase
        following = self._next(phase, utf8=partial.get(token_id, COMPLETE), empty=False)
        following.separated = self._vocabulary.token_bytes[token_id].endswith(b"\n")
        return following

    def _behind_matched(self, token_id: int) -> TurnState | None:
        state = self._state
        matcher = state.matcher
        if matcher is None or not matcher.accept(token_id):
            return None
        path = state.path[1:] if state.path and state.path[0] == token_id else None
        if path is None and state.closing is not None and state.closing[1]:
            path = state.path  # plain text in a string, which the same path closes
        phase = Phase.CONTENT if state.phase is Phase.START else state.phase
        return replace(
            state,
            phase=phase,
            complete=matcher.can_end(),
            matched=True,
            path=path,
            judged=False,
            closing=None,
            empty=False,
            listing=False,
        )

    def _open_name(self) -> TurnState:
        turn = self._turn
        names = self._callable()
        node = turn.trie if len(names) == len(turn.names) else turn.trie_of(names)
        return self._next(Phase.NAME, node=node)

    def _open_arguments(self, tool: str) -> TurnState:
        following = self._next(Phase.ARGUMENTS)
        following.calls += 1
        self._open_value(following, self._turn.tools[tool], self._turn.call_tail, len(self._ids) + 1)
        return following

    def _open_content(self, state: TurnState, begin: int | None = None) -> None:
        if state.matcher is None and self._turn.content is not None:
            self._open_value(state, self._turn.content, 1, len(self._ids) if begin is None else begin)
            state.listing = state.phase is Phase.START

    def _open_value(self, state: TurnState, value: CompiledValue, tail: int, begin: int) -> None:
        state.value, state.matcher, state.begin = value, value.prototype.fork(), begin
        state.complete = state.matcher.can_end()
        state.path = value.shortest
        bound = value.plan.bound
        if self._budget < PLENTY:
            state.watch = 0 if bound is None else self._budget - bound - tail
        self._follower = None

    def _next(
        self,
        phase: Phase,
        *,
        utf8: Utf8State = COMPLETE,
        empty: bool = True,
        node: NameNode | None = None,
    ) -> TurnState:
        state = self._state
        return TurnState(
            phase,
            state.calls,
            state.thought,
            utf8,
            empty,
            node=node,
            hurried=state.hurried,
        )

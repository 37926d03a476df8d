"""What a constraint did to one finished turn: its phases, the tokens it forced, the probability its masks removed.

Where a model puts much probability on what the masks forbid, the constraint writes and not the model: those steps are
what the next round of training data should mend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp
from statistics import fmean
from typing import Any

import numpy as np

from octupus.decoding.compiled_turn import CompiledTurn
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.vocabulary import Mask, TokenVocabulary, allows

MOST_LISTED = 8
"""Steps in `Explanation.most_removed`."""
_MOST_PREFERRED = 3
_NOTABLE = 0.01
"""Removed probability below which a step is not listed among those with the most."""

Scores = Mapping[int, float]
"""Natural log probabilities of some tokens, at temperature 1 and without a mask, by token id."""


@dataclass(frozen=True, slots=True)
class PreferredToken:
    """A token that the mask forbade."""

    token_id: int
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Step:
    """One token of the turn."""

    token_id: int
    text: str
    phase: str
    """The phase in which it was written; see turn_state.Phase."""
    allowed: int
    """Number of tokens that the mask allowed."""
    forced: bool
    """Whether it was the only one."""
    hurried: bool
    """Whether the budget had taken a choice from the model by then."""
    removed: float | None = None
    """Probability of the scored tokens that the mask forbade: at least so much was removed. None without scores."""
    unscored: float | None = None
    """Probability of all tokens without a score: at most so much more was removed."""
    preferred: tuple[PreferredToken, ...] = ()
    """The likeliest forbidden tokens, most likely first."""


@dataclass(frozen=True, slots=True)
class PhaseRun:
    """Consecutive tokens of one phase."""

    phase: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """One turn, step by step, and in sum."""

    steps: tuple[Step, ...]
    phases: tuple[PhaseRun, ...]
    """The path through the phases; a turn that ended closes with `done` and no tokens."""
    forced_share: float
    """Forced steps among all."""
    removed_mean: float | None
    """Mean of `Step.removed` over the scored steps; None where none is scored."""
    removed_max: float | None
    most_removed: tuple[int, ...]
    """Positions of the steps from which most was removed, most first."""
    hurried_from: int | None
    """Position of the first step for which the budget had taken a choice; None where it took none."""
    refused_at: int | None
    """Position of the first token that the constraint does not take, where the replay stops; else None."""

    def to_json(self) -> dict[str, Any]:
        """The explanation as plain JSON."""
        return asdict(self)


def explain(compiled: CompiledTurn, ids: Sequence[int], scores: Sequence[Scores] = ()) -> Explanation:
    """Replay the turn of `compiled` that consists of `ids`.

    `scores[i]` holds what the model thought of position i: the likeliest tokens, or all of them. It may be shorter
    than `ids`.
    """
    turn, vocabulary = TurnConstraint(compiled), compiled.vocabulary
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    steps: list[Step] = []
    refused_at = None
    for position, token_id in enumerate(ids):
        turn.fill(row)
        phase, hurried = turn.phase.value, turn.hurried
        if not turn.accept(token_id):
            refused_at = position
            break
        scored = scores[position] if position < len(scores) else {}
        steps.append(_step(vocabulary, row, token_id, phase, hurried, scored))
    return _summed(tuple(steps), turn.is_done(), refused_at)


def _step(vocabulary: TokenVocabulary, row: Mask, token_id: int, phase: str, hurried: bool, scored: Scores) -> Step:
    allowed = int(np.bitwise_count(row).sum())
    text = token_text(vocabulary, token_id)
    if not scored:
        return Step(token_id, text, phase, allowed, allowed == 1, hurried)
    probabilities = {other: exp(score) for other, score in scored.items()}
    forbidden = {other: value for other, value in probabilities.items() if not allows(row, other)}
    likeliest = sorted(forbidden, key=lambda other: (-forbidden[other], other))[:_MOST_PREFERRED]
    return Step(
        token_id,
        text,
        phase,
        allowed,
        allowed == 1,
        hurried,
        # Rounded logarithms may sum to a little more than one.
        removed=min(sum(forbidden.values()), 1.0),
        unscored=max(1.0 - sum(probabilities.values()), 0.0),
        preferred=tuple(PreferredToken(other, token_text(vocabulary, other), forbidden[other]) for other in likeliest),
    )


def _summed(steps: tuple[Step, ...], done: bool, refused_at: int | None) -> Explanation:
    removed = {position: step.removed for position, step in enumerate(steps) if step.removed is not None}
    notable = [position for position, mass in removed.items() if mass >= _NOTABLE]
    return Explanation(
        steps=steps,
        phases=_phases(steps, done),
        forced_share=fmean(step.forced for step in steps) if steps else 0.0,
        removed_mean=fmean(removed.values()) if removed else None,
        removed_max=max(removed.values(), default=None),
        most_removed=tuple(sorted(notable, key=lambda position: -removed[position])[:MOST_LISTED]),
        hurried_from=next((position for position, step in enumerate(steps) if step.hurried), None),
        refused_at=refused_at,
    )


def _phases(steps: Sequence[Step], done: bool) -> tuple[PhaseRun, ...]:
    runs: list[PhaseRun] = []
    for step in steps:
        if runs and runs[-1].phase == step.phase:
            runs[-1] = PhaseRun(step.phase, runs[-1].tokens + 1)
        else:
            runs.append(PhaseRun(step.phase, 1))
    return (*runs, PhaseRun("done", 0)) if done else tuple(runs)


def token_text(vocabulary: TokenVocabulary, token_id: int) -> str:
    """A token for people: bytes that are no whole characters as escapes, ids without a token by their number."""
    if not 0 <= token_id < len(vocabulary.token_bytes):
        return f"<{token_id}>"
    data = vocabulary.token_bytes[token_id]
    return data.decode("utf-8", errors="backslashreplace") or vocabulary.tokenizer.decode([token_id]) or f"<{token_id}>"

"""The user's turns in the words of a model: asked for, checked, and where they lose a value left as they were."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from octupus.agent.generate.blueprint import Turn
from octupus.agent.generate.execute import Executed, MadeTurn
from octupus.conversation import json_text
from octupus.data.language import language_of
from octupus.endpoint.outcome import Answer, Outcome

Ask = Callable[[list[dict[str, Any]], int], Awaitable[Outcome]]
"""Messages and a seed to what the endpoint says."""

LONGEST = 3
"""How many times as long as the template's a text may be, and 80 characters more."""

_LANGUAGES = {"en": "English", "zh": "Chinese"}


def prompt(turn: Turn, language: str) -> list[dict[str, Any]]:
    """What the endpoint is asked. Text and values go as JSON, so that nothing in them reads as an instruction."""
    given = json_text({"message": turn.user, "keep_exactly": list(turn.said), "never_mention": list(turn.unsaid)})
    return [
        {
            "role": "system",
            "content": (
                "You play the user of an assistant. You get a JSON object. Write its `message` in other words, as a "
                f"person would type it, in {_LANGUAGES[language]}, with the same meaning and nothing added. Every text "
                "in `keep_exactly` must stand in it character by character; nothing in `never_mention` may. Reply with "
                "the new message alone, without quotation marks."
            ),
        },
        {"role": "user", "content": given},
    ]


class Phraser:
    """Asks for other words; counts what became of every turn."""

    def __init__(self, ask: Ask, seed: int) -> None:
        self._ask = ask
        self._seed = seed
        self.rewritten = 0
        self.left: Counter[str] = Counter()
        """Turns that keep the template's words, by why."""

    async def phrase(self, executed: Executed, refused: Callable[[Executed], object]) -> Executed:
        """With the user's turns in other words, where these say all that they must.

        When `refused` finds something wrong with the whole, all its turns keep the template's words.
        """
        planned = executed.blueprint
        turns: list[MadeTurn] = []
        rewritten = 0
        for turn, made in zip(planned.turns, executed.turns, strict=True):
            outcome = await self._ask(prompt(turn, planned.language), self._seed_of(turn))
            text = (outcome.content or "").strip() if isinstance(outcome, Answer) else ""
            fault = _fault(text, turn, planned.language) if isinstance(outcome, Answer) else outcome.reason
            if fault:
                self.left[fault] += 1
            rewritten += not fault
            turns.append(made if fault else replace(made, user=text))
        phrased = replace(executed, turns=tuple(turns))
        if rewritten and refused(phrased):
            self.left["checks"] += rewritten
            return executed
        self.rewritten += rewritten
        return phrased

    def _seed_of(self, turn: Turn) -> int:
        """31 bits that follow from the seed and the text, so that no other request changes them."""
        return int.from_bytes(hashlib.sha256(f"{self._seed}:{turn.user}".encode()).digest()[:4], "big") >> 1


def _fault(text: str, turn: Turn, language: str) -> str:
    """Why a text cannot stand for the template's; empty when it can."""
    if not text:
        return "empty"
    if any(value not in text for value in turn.said):
        return "lost_value"
    if any(value in text for value in turn.unsaid):
        return "told_value"
    if len(text) > LONGEST * len(turn.user) + 80:
        return "too_long"
    if language_of(text) != language and language_of(turn.user) == language:
        return "language"
    return ""

"""How a solver searches, under ToolBench's names."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, model_validator

from octupus.config import StrictModel

CHAIN = re.compile(r"CoT@([1-9]\d{0,2})")
SEARCH = re.compile(r"DFS(_woFilter)?_w([1-9]\d?)")


class SolverConfig(StrictModel):
    """The method, and what bounds it."""

    method: str = "CoT@1"
    """`CoT@n`: up to n chains one after the other; `DFS_woFilter_w2`: depth-first search of width 2 that takes up the
    newest child; `DFS_w2`: the same, with children put in order by the model's votes."""
    single_chain_max_step: int = Field(default=12, ge=1, le=200)
    """Longest chain in nodes of ToolBench's format: a thought is one, a call two."""
    max_query_count: int = Field(default=60, ge=1)
    """Requests to the endpoint for one query."""
    answer: int = Field(default=1, ge=1)
    """Answers after which a search ends."""
    back_up: int = Field(default=2, ge=1)
    """Messages that a search goes back after an answer or after giving up."""
    max_tokens_total: int | None = Field(default=None, gt=0)
    """Tokens, read and written, that one query may cost; null sets no limit."""
    observation_characters: int = Field(default=1024, ge=16)
    """Longest tool result that a model is shown; more is cut and marked with `...`."""
    max_calls: int = Field(default=16, ge=1, le=64)
    """Calls of one message that are made; the model is told that the others were not."""
    nudges: int = Field(default=2, ge=0)
    """How often in a row a model that calls nothing is asked to call a tool or `Finish` before its chain is pruned."""
    repeats: int = Field(default=3, ge=1)
    """How often a chain may make one and the same call in one and the same state; the next time it is pruned."""
    allow_unrestorable: bool = False
    """Search even where going back does not undo what tools did, as with servers that keep their own state."""
    seed: int = 0
    """Everything that is drawn follows from it: tools' first states, and the seeds of requests."""

    @model_validator(mode="after")
    def _known_method(self) -> Self:
        if not CHAIN.fullmatch(self.method) and not SEARCH.fullmatch(self.method):
            raise ValueError(
                f"method {self.method!r} is unknown; choose CoT@n such as CoT@1, or DFS_woFilter_wn or DFS_wn such as "
                "DFS_woFilter_w2"
            )
        return self

    @property
    def chains(self) -> int | None:
        """The n of `CoT@n`; None for a search."""
        found = CHAIN.fullmatch(self.method)
        return int(found[1]) if found else None

    @property
    def width(self) -> int:
        """Children of a node; 1 for chains."""
        found = SEARCH.fullmatch(self.method)
        return int(found[2]) if found else 1

    @property
    def with_filter(self) -> bool:
        """Whether the model ranks children."""
        found = SEARCH.fullmatch(self.method)
        return found is not None and not found[1]

    @property
    def goes_back(self) -> bool:
        """Whether anything is tried again from an earlier state."""
        return self.chains != 1

"""What one query may cost: requests and tokens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from octupus.agent.solve.config import SolverConfig
from octupus.endpoint.outcome import Answer, Outcome


class SolvingStopped(Exception):  # no error: a search may end before its method does
    """The search ends here; the text is what `Solution.stopped` says."""


@dataclass
class Budget:
    """Counts what was spent; `check` is asked before each request."""

    config: SolverConfig
    queries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    retries: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Raises SolvingStopped when nothing is left."""
        if self.queries >= self.config.max_query_count:
            raise SolvingStopped("query_budget")
        most = self.config.max_tokens_total
        if most is not None and self.tokens_in + self.tokens_out >= most:
            raise SolvingStopped("token_budget")

    def count(self, outcome: Outcome) -> None:
        """Add what a request cost; one that failed counts by its attempts alone."""
        self.retries.update(outcome.retries)
        if isinstance(outcome, Answer):
            self.queries += 1
            self.tokens_in += outcome.tokens_in
            self.tokens_out += outcome.tokens_out

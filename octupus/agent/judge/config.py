"""The configuration of ToolEval."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from octupus.config import StrictModel
from octupus.endpoint.config import EndpointConfig, SamplingConfig


class EvaluateToolbenchConfig(StrictModel):
    """Evaluate ToolBench answers: pass rate, SoPR, win rate and hallucinations, by an endpoint as judge or by rules."""

    candidates: dict[str, Path] = Field(min_length=1)
    """The answers of each candidate, by name: a file of converted answers, or a directory of answer files as annotate
    and ToolBench write them."""
    reference: str | None = None
    """The candidate that the others' win rate is against; null leaves the win rate out."""
    queries: Path | None = None
    """Which queries count: a query file, [{query_id, ...}], or an object by query id. Null takes all that any candidate
    answered, and with rules all that have golden answers. A query that a candidate did not answer has failed."""
    judge: Literal["endpoint", "rule"] = "endpoint"
    """endpoint: a model judges, with votes. rule: golden answers decide, and no endpoint is needed."""
    golden: Path | None = None
    """Golden answers for the rules, a .jsonl with {query_id, state, answers, match, tolerance, calls, solvable}."""
    model: str = ""
    """The name the endpoint knows the judge by."""
    endpoint: EndpointConfig = EndpointConfig()
    sampling: SamplingConfig = SamplingConfig(temperature=0.7, max_tokens=1024)
    """How verdicts are drawn. The seed stays null: each vote has its own, from `seed`."""
    concurrency: int = Field(default=16, ge=1, le=1000)
    """Requests open at once."""
    attempts: int = Field(default=3, ge=1)
    """How often a vote is asked for while replies are no valid verdicts; then it is missing."""
    votes: int = Field(default=4, ge=1)
    """Votes on each query for the pass rate and the win rate. Rules need one."""
    runs: int = Field(default=3, ge=1)
    """Runs of the SoPR: its mean and deviation are over the first so many votes. Rules need one."""
    solvability: bool = True
    """Whether the judge also says if a query can be solved: unsolved ones that cannot be pass, as in ToolBench.
    StableToolBench leaves it out, since its queries were filtered."""
    ties: Literal["pass", "half", "random"] = "pass"
    """What as many passing votes as failing ones are: a pass as in the rate that ToolBench prints, half of one, or a
    coin's side as in the table that it writes."""
    seed: int = 0
    """The seeds of votes, and all coins, follow from it."""
    allow_missing: bool = False
    """Whether scores are written although votes are missing; the queries without any vote are left out and counted."""
    output: Path
    """Directory to write: results.json, summary.txt, report.html, run.json, and the votes, from which an interrupted
    run goes on."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.reference is not None and self.reference not in self.candidates:
            raise ValueError(f"reference {self.reference!r} is none of the candidates {', '.join(self.candidates)}")
        if self.reference is not None and len(self.candidates) < 2:
            raise ValueError("reference: there is no other candidate to compare with it; add one, or take it out")
        if self.judge == "rule":
            if self.golden is None:
                raise ValueError("golden is required by judge: rule; name the file of golden answers")
            return self
        if self.golden is not None:
            raise ValueError("golden answers are not shown to an endpoint; take golden out, or use judge: rule")
        if not self.model:
            raise ValueError("model is required by judge: endpoint; set the name the endpoint knows it by")
        if self.sampling.seed is not None:
            raise ValueError("sampling.seed would make all votes alike; take it out and use seed")
        self.endpoint.require_address()
        return self

    @property
    def cast_votes(self) -> int:
        """Votes on each query for the pass rate and the win rate."""
        return 1 if self.judge == "rule" else self.votes

    @property
    def cast_runs(self) -> int:
        """Runs of the SoPR."""
        return 1 if self.judge == "rule" else self.runs

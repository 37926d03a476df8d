"""The configuration of generating tasks and conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from octupus.agent.generate.blueprint import Shape
from octupus.agent.generate.wording import Language
from octupus.agent.tools.config import LimitsConfig, ToolSourceConfig
from octupus.config import StrictModel
from octupus.endpoint.config import EndpointConfig, SamplingConfig


class PhrasingConfig(StrictModel):
    """An endpoint that puts the user's turns into other words."""

    model: str = Field(min_length=1)
    """The name the endpoint knows the model by."""
    endpoint: EndpointConfig = EndpointConfig()
    sampling: SamplingConfig = SamplingConfig(temperature=1.0, max_tokens=256)
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the conversations whose turns are put into other words."""


class TracesConfig(StrictModel):
    """Solved queries to make conversations of as well."""

    answers: Path
    """Directory of answer files, as annotate writes them."""
    tasks: Path | None = None
    """The tasks.jsonl that was solved: it says in which states a query begins, and what is right. Null takes the seed
    that an answer was solved with, and every answer that holds when it is executed again."""
    tools: tuple[ToolSourceConfig, ...] = (ToolSourceConfig(library=("all",)),)
    """The tools that the queries were solved with."""
    keep_system_prompt: bool = False
    """Whether conversations keep the solver's system prompt."""


class GenerateConfig(StrictModel):
    """Generate: tasks and conversations from calls that are really made."""

    output: Path
    """Directory to write: conversations.jsonl, tasks.jsonl, golden.jsonl, summary.json and run.json."""
    seed: int = 0
    """Everything that is drawn follows from it."""
    count: int = Field(default=1000, ge=1)
    """Conversations."""
    shapes: dict[Shape, float] = Field(
        default={
            "single": 1,
            "parallel": 1,
            "multi_step": 2,
            "multi_turn": 3,
            "missing_parameter": 1,
            "missing_tool": 1,
            "error_correction": 1,
        }
    )
    """How the conversations are shared out among what they are to teach, as weights."""
    languages: dict[Language, float] = Field(default={"en": 2, "zh": 1})
    """How they are shared out among languages, as weights."""
    modules: tuple[str, ...] = ("all",)
    """Modules of the tools that come with octupus; scenarios that need others are left out."""
    scenarios: tuple[str, ...] = ()
    """Names of the scenarios to take; empty takes all."""
    states: int = Field(default=200, ge=1)
    """How many different states conversations begin in, by seeds from `seed` on."""
    distractors: int = Field(default=3, ge=0)
    """Modules that are offered beside those that are called, at the most."""
    tools_most: int = Field(default=16, ge=1)
    """Tools that are offered at the most, as long as fewer are called."""
    system_prompt_share: float = Field(default=0.3, ge=0, le=1)
    """Share of the conversations that have a system prompt."""
    attempts: int = Field(default=50, ge=1)
    """Blueprints that are tried for one conversation before it is given up."""
    concurrency: int = Field(default=8, ge=1)
    """Conversations in the making at once; what comes out does not depend on it."""
    phrase_with: PhrasingConfig | None = None
    """An endpoint for the user's turns; null leaves them as the templates say them."""
    traces: TracesConfig | None = None
    """Solved queries, which become traces.jsonl beside the generated conversations; null for none."""
    limits: LimitsConfig = LimitsConfig()

    @field_validator("shapes", "languages")
    @classmethod
    def _weights(cls, weights: dict[str, float]) -> dict[str, float]:
        if any(weight < 0 for weight in weights.values()) or not any(weights.values()):
            raise ValueError("weights are at least 0, and one of them is greater")
        return weights

    @model_validator(mode="after")
    def _phrasing_has_an_address(self) -> Self:
        if self.phrase_with is not None:
            self.phrase_with.endpoint.require_address("phrase_with.endpoint")
        return self

    @model_validator(mode="after")
    def _known_scenarios(self) -> Self:
        if self.scenarios:
            from octupus.agent.generate.scenarios import SCENARIOS  # not needed for --help
            from octupus.config import nearest

            for name in self.scenarios:
                if name not in SCENARIOS:
                    near = nearest(name, SCENARIOS)
                    hint = f"did you mean {near}?" if near else f"known: {', '.join(SCENARIOS)}"
                    raise ValueError(f"there is no scenario {name!r}; {hint}")
        return self

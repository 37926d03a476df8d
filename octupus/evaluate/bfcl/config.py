"""Configuration of a BFCL run; see jobs/evaluate_bfcl.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from octupus.config import StrictModel
from octupus.evaluate.bfcl.categories import grouped, selected

HARNESS_VERSION = "2026.3.23"


class EndpointConfig(StrictModel):
    """The OpenAI-compatible endpoint that is asked."""

    base_url: str = Field("http://127.0.0.1:8000/v1", pattern=r"^https?://")
    """Where its routes begin, as OpenAI clients are told."""
    model: str | None = None
    """Name of the model; null takes the only one that the endpoint lists."""
    api_key_variable: str = Field("OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable with the API key; unset where the endpoint wants none."""
    timeout_s: float = Field(300, gt=0)
    """Longest time for one answer."""
    retries: int = Field(2, ge=0)
    """How often a request is sent again after a connection error, a time-out, 409, 429 or 5xx."""


class EvaluateBfclConfig(StrictModel):
    """One run of BFCL v4."""

    output: Path
    """Directory of the run. Running again continues there; a run of something else is refused."""
    endpoint: EndpointConfig = EndpointConfig()
    serve: Path | None = None
    """A model directory that is served for the run and taken down after, in place of `endpoint.base_url`."""
    port: int = Field(8000, ge=1, le=65535)
    """Port on 127.0.0.1 where `serve` is served."""
    api: Literal["chat", "responses"] = "chat"
    """Which of OpenAI's APIs is asked: Chat Completions or Responses."""
    constrained: bool = True
    """False asks octupus to leave its constraint out (the server must allow it); other servers take no notice."""
    categories: tuple[str, ...] = ("non_live", "live", "multi_turn")
    """Categories or groups of them: non_live, live, multi_turn, agentic, memory, web_search, offline, all."""
    ids: tuple[str, ...] = ()
    """Single items in place of `categories`, such as multi_turn_base_0."""
    threads: int = Field(8, ge=1)
    """Conversations at a time."""
    temperature: float = Field(0.001, ge=0)
    """As bfcl-eval sends it."""
    allow_errors: bool = False
    """Publish scores although requests failed; how many is printed beside them."""
    environment: Path = Path("~/.cache/octupus/bfcl")
    """Directory of the harness's own virtual environment, made at the first run."""
    give_up_after: int = Field(24, ge=1)
    """Failed items one after the other, with none answered between, after which the run stops."""
    stalled_after_s: float = Field(1800, gt=0)
    """Time without any item finished, after which the run stops; the harness itself repeats a 429 for ever."""

    @model_validator(mode="after")
    def _selection_is_known(self) -> EvaluateBfclConfig:
        # What these raise is no ValueError, so that it reaches the command line as it is, with its hint.
        selected(self.categories)
        grouped(self.ids)
        return self

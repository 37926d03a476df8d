"""What `args` of the agent's Serve application may hold; see serve_configs/agent.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from octupus.agent.solve.config import SolverConfig
from octupus.agent.tools.config import ToolSourceConfig
from octupus.config import StrictModel
from octupus.endpoint.config import EndpointConfig, SamplingConfig


class AgentEndpointConfig(EndpointConfig):
    """The endpoint that the agent asks. Somebody waits for the answer, so it gives up sooner than a job."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """Where it is; by default the octupus application of the same Serve."""
    max_attempts: int = Field(default=3, ge=1)
    """How often a request is sent before it counts as failed."""


class AgentLimitsConfig(StrictModel):
    """What one replica of the agent takes."""

    max_concurrent_runs: int = Field(default=4, ge=1)
    """Questions worked at once; more are answered with 429 and Retry-After."""
    max_text_characters: int = Field(default=16_384, ge=1)
    """Longest question."""
    max_top_k: int = Field(default=64, ge=1)
    """Most tools that a request may ask to be offered."""
    max_runtime_s: float = Field(default=600, gt=0)
    """Longest time for one question; then the stream ends with an error."""


class AgentAccessConfig(StrictModel):
    """Who may ask, under the names that the octupus application has for it: one file can serve both."""

    api_keys_file: Path | None = None
    """File with one API key a line; lines beginning with # are comments. Read for each request."""
    api_keys_variable: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable of the agent's process with API keys, separated by commas."""


class AgentAppConfig(StrictModel):
    """Configuration of the agent application."""

    model: str = Field(default="octupus", min_length=1)
    """Name of the model at the endpoint."""
    endpoint: AgentEndpointConfig = AgentEndpointConfig()
    sampling: SamplingConfig = SamplingConfig()
    tools: tuple[ToolSourceConfig, ...] = Field(default=(ToolSourceConfig(library=("all",)),), min_length=1)
    """Where the tools come from."""
    solver: SolverConfig = SolverConfig(method="DFS_woFilter_w2")
    """What a request that names no method gets, and what bounds every run."""
    methods: tuple[str, ...] = Field(default=("CoT@1", "CoT@3", "DFS_woFilter_w2", "DFS_w2"), min_length=1)
    """Methods that a request may name."""
    offer: Literal["retrieved", "all"] = "retrieved"
    """retrieved: a question is offered the top_k tools nearest to it; all: every tool, which the endpoint must take."""
    retriever_url: str | None = None
    """A served index that finds them, such as http://127.0.0.1:8000/retriever; null goes by the words they share."""
    top_k: int = Field(default=16, ge=1)
    """Tools to offer where a request does not say how many."""
    limits: AgentLimitsConfig = AgentLimitsConfig()
    access: AgentAccessConfig = AgentAccessConfig()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for method in self.methods:
            SolverConfig(method=method)
        if self.solver.method not in self.methods:
            raise ValueError(f"solver.method {self.solver.method} is not among methods: {', '.join(self.methods)}")
        if self.top_k > self.limits.max_top_k:
            raise ValueError(f"top_k is {self.top_k} and limits.max_top_k {self.limits.max_top_k}")
        if self.offer == "all" and self.retriever_url is not None:
            raise ValueError("retriever_url is set, but offer: all asks no retriever; take one of them out")
        return self

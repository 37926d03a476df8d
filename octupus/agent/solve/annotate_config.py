"""The configuration of annotating: many queries solved by a model, with their traces."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from octupus.agent.solve.config import SolverConfig
from octupus.agent.tools.config import ToolSourceConfig
from octupus.config import StrictModel
from octupus.endpoint.config import EndpointConfig, SamplingConfig


class AnnotateConfig(StrictModel):
    """Annotate: solve queries with tools that really run, and write each one's search tree."""

    queries: Path
    """The queries: a file of ToolBench's, or JSON lines of {id, query, tools, seed}."""
    output: Path
    """Directory to write: answers/, failed/, summary.json, report.html, settings.json and run.json."""
    tools: tuple[ToolSourceConfig, ...] = (ToolSourceConfig(library=("all",)),)
    """Sources of tools. A query that names none is offered all of them, or what the retriever finds."""
    solver: SolverConfig = SolverConfig()
    model: str = Field(min_length=1)
    """The name that the endpoint knows the model by."""
    endpoint: EndpointConfig = EndpointConfig()
    sampling: SamplingConfig = SamplingConfig()
    retriever_url: str | None = None
    """Where a retriever is served, such as http://127.0.0.1:8000/retrieve; null offers open queries every tool."""
    top_k: int = Field(default=5, ge=1)
    """Tools that the retriever is asked for."""
    limit: int | None = Field(default=None, ge=1)
    """How many of the queries to solve, from the file's beginning; null takes all."""
    actors: int = Field(default=1, ge=1)
    """Ray actors that solve, each with tools and a client of its own."""
    concurrency: int = Field(default=8, ge=1, le=1000)
    """Queries that each actor solves at once."""
    stop_after_failures: int = Field(default=20, ge=1)
    """Queries failing one after the other that stop the run; what was solved is kept."""
    report_every_s: float = Field(default=30, gt=0)
    """Time between two lines of progress in the log."""
    num_cpus: int | None = Field(default=None, gt=0)
    """CPUs of the local Ray instance when no cluster is given; empty means all."""

    def with_absolute_paths(self) -> Self:
        """The same wherever it is read: an actor's working directory is another one."""
        return self.model_copy(
            update={
                "queries": self.queries.absolute(),
                "output": self.output.absolute(),
                "tools": tuple(source.with_absolute_paths() for source in self.tools),
            }
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.endpoint.require_address()
        if not self.tools:
            raise ValueError("tools names no source; name one, such as [{library: [all]}]")
        return self

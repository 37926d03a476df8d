"""The configuration of call-level evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from octupus.config import StrictModel
from octupus.data.config import SourceConfig
from octupus.evaluate.calls.question import Positions


class EndpointConfig(StrictModel):
    """The OpenAI-compatible endpoint that answers, and how it is asked."""

    base_url: str
    """Where it is, such as http://127.0.0.1:8000/v1."""
    model: str = Field(min_length=1)
    """The name the endpoint knows the model by."""
    api_key_variable: str | None = None
    """Environment variable that holds the API key; null when the endpoint asks for none."""
    concurrency: int = Field(default=32, ge=1, le=1000)
    """Requests open at once."""
    timeout_s: float = Field(default=120, gt=0)
    """Longest wait for one attempt."""
    max_retries: int = Field(default=2, ge=0)
    """Further attempts after a failure that may pass: no connection, 408, 409, 429 or 5xx."""
    temperature: float | None = Field(default=0, ge=0)
    """0 takes the likeliest token; null leaves it to the endpoint."""
    max_tokens: int | None = Field(default=1024, gt=0)
    """Longest answer in tokens; null leaves it to the endpoint."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each request, such as {constrained: false} for octupus's own endpoint."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise ValueError(f"base_url {self.base_url!r} is no http address; such as http://127.0.0.1:8000/v1")
        if "@" in address.netloc:
            raise ValueError(
                "base_url holds a password, which would be written to run.json; put the key into an environment "
                "variable and name that in api_key_variable"
            )
        return self


class EnvironmentConfig(StrictModel):
    """Tools that are executed: whole conversations are held, and the states compared that their calls lead to."""

    python_class: str = Field(pattern=r"^[\w.]+:\w+$")
    """The class as module:Class, importable where the job runs. Its public methods are the tools."""
    max_steps: int = Field(default=20, ge=1)
    """Answers with calls in one turn of the user; with more the conversation has failed."""


class EvaluateCallsConfig(StrictModel):
    """Evaluate calls: ask an endpoint the turns of held-out conversations, and compare its calls with the expected."""

    data: tuple[SourceConfig, ...] = Field(min_length=1)
    """Held-out conversations: parquet files that prepare_data wrote, or corpora as prepare_data names them."""
    split: str = ""
    """Only conversations of this split; empty means all."""
    limit: int | None = Field(default=None, gt=0)
    """Only the first so many requests; null means all."""
    positions: Positions = "first"
    """Which turns of a conversation are asked: its first one with calls, or every one, with the turns before it as the
    corpus has them. A conversation without any call is asked up to its last answer, which should not call either."""
    endpoint: EndpointConfig
    environment: EnvironmentConfig | None = None
    """Besides, hold the conversations with executed tools; null leaves that out."""
    output: Path
    """Directory to write: calls.json, report.html, run.json, and the replies, from which an interrupted run goes on."""

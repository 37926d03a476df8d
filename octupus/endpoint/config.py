"""How an OpenAI-compatible endpoint is reached, and how its tokens are drawn."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from octupus.config import StrictModel


class SamplingConfig(StrictModel):
    """How tokens are drawn, under OpenAI's names."""

    temperature: float | None = Field(default=0.7, ge=0)
    """0 takes the likeliest token; null leaves it to the endpoint."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Share of the probability that tokens are drawn from; null leaves it to the endpoint."""
    max_tokens: int = Field(default=2048, gt=0)
    """Longest answer, in tokens."""
    seed: int | None = None
    """Seed sent with every request; null lets the endpoint choose."""


class EndpointConfig(StrictModel):
    """Any OpenAI-compatible endpoint, and how long it is waited for."""

    base_url: str = ""
    """Where it is, such as http://127.0.0.1:8000/v1."""
    api_key_env: str | None = None
    """Environment variable of the job that holds the API key; null when the endpoint asks for none."""
    timeout_s: float = Field(default=300, gt=0)
    """Longest wait for one answer."""
    max_attempts: int = Field(default=8, ge=1)
    """How often a request is sent before it counts as failed."""
    backoff_base_s: float = Field(default=1.0, ge=0)
    """Wait after the first failed attempt; it doubles with each further one."""
    max_backoff_s: float = Field(default=60, ge=0)
    """Longest of these waits."""
    max_retry_after_s: float = Field(default=600, ge=0)
    """Longest Retry-After that is waited for; an endpoint that asks for more has failed."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each request, such as {top_k: 20} for vLLM."""

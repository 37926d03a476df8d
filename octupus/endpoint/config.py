"""How an OpenAI-compatible endpoint is reached, and how its tokens are drawn."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from octupus.config import StrictModel
from octupus.errors import ConfigError


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

    def require_address(self, place: str = "endpoint") -> None:
        """Raises ValueError unless `base_url` is an http address without a password; `place` is this section's key."""
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise ValueError(
                f"{place}.base_url {self.base_url!r} is no http address; "
                "set it to the endpoint's, such as http://127.0.0.1:8000/v1"
            )
        if "@" in address.netloc:
            raise ValueError(
                f"{place}.base_url holds a password, which would be written to run.json; "
                f"put the key into an environment variable and name that in {place}.api_key_env"
            )

    def api_key(self, place: str = "endpoint") -> SecretStr | None:
        """The key, or None when none is asked for. Raises ConfigError when its variable is not set."""
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env)
        if not key:
            raise ConfigError(
                f"{place}.api_key_env names {self.api_key_env}, which is not set; export it, or take the setting out"
            )
        return SecretStr(key)

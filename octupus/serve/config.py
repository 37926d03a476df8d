"""What `args` of a Serve application may hold; see serve_configs/oai.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from octupus.config import StrictModel


class ModelConfig(StrictModel):
    """Which model is served."""

    source: Path
    """Model directory as octupus exports it: weights, tokenizer with control tokens, octupus.json."""
    id: str = "octupus"
    """The name clients send as `model`."""


class EngineConfig(StrictModel):
    """vLLM's engine, under vLLM's own names."""

    tensor_parallel_size: int = Field(1, ge=1)
    """GPUs that hold one replica together; on a cluster without GPUs, CPU processes."""
    max_model_len: int | None = Field(None, ge=16)
    """Longest prompt plus answer in tokens; null takes the model's own."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of weights and activations; auto is the model's own on GPUs and float32 on CPUs."""
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Share of each GPU's memory that vLLM takes."""
    max_num_seqs: int = Field(64, ge=1)
    """Requests generated at once in a replica."""
    cpu_kv_cache_gib: int = Field(1, ge=1)
    """Memory for the key-value cache of a replica on CPUs, in GiB."""
    engine_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of vLLM's AsyncEngineArgs, passed as they are."""


class DecodingConfig(StrictModel):
    """How turns are constrained."""

    backend: Literal["auto", "llguidance", "lm-format-enforcer", "xgrammar"] = "auto"
    """What enforces schemas; auto is the first of them that enforces the schema at hand."""
    on_unenforceable: Literal["refuse", "check"] = "refuse"
    """What a keyword does that no backend enforces: the request is refused, or its finished values are checked."""
    max_tool_calls: int | None = Field(None, ge=1)
    """Most calls of one turn; null is no limit but max_tokens."""
    allow_unconstrained: bool = False
    """Whether a request may switch its constraint off with `"constrained": false`, for measuring a bare model."""


class LimitsConfig(StrictModel):
    """What the ingress admits."""

    default_max_tokens: int = Field(4096, ge=1)
    """Longest answer of a request that names no limit, in tokens."""
    max_body_bytes: int = Field(8 * 2**20, ge=1024)
    """Largest request body."""
    max_tools: int = Field(128, ge=1)
    """Most tools in a request."""


class ReplicasConfig(StrictModel):
    """How many copies run."""

    engines: int = Field(1, ge=1)
    """Engine replicas; each holds the whole model on `tensor_parallel_size` devices."""
    ingresses: int = Field(1, ge=1)
    """Ingress replicas; they need a fraction of a CPU each."""
    max_ongoing_requests: int = Field(256, ge=1)
    """Requests one ingress handles at once; more wait in Serve's queue."""


class ServeConfig(StrictModel):
    """Configuration of the octupus application."""

    model: ModelConfig
    engine: EngineConfig = EngineConfig()
    decoding: DecodingConfig = DecodingConfig()
    limits: LimitsConfig = LimitsConfig()
    replicas: ReplicasConfig = ReplicasConfig()

"""What `args` of a Serve application may hold; see serve_configs/oai.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from octupus.config import StrictModel


class ModelConfig(StrictModel):
    """Which model is served."""

    source: Path
    """Model directory as octupus exports it (weights, tokenizer with control tokens, octupus.json), or a Qwen model."""
    id: str = Field("octupus", min_length=1, pattern=r"^[^:]+$")
    """The name clients send as `model`."""


class EngineConfig(StrictModel):
    """vLLM's engine, under vLLM's own names."""

    tensor_parallel_size: int = Field(1, ge=1)
    """GPUs that hold one replica together; on a cluster without GPUs, CPU processes."""
    pipeline_parallel_size: int = Field(1, ge=1)
    """Groups of `tensor_parallel_size` GPUs that hold the layers of one replica in turn."""
    distributed_executor_backend: Literal["auto", "mp", "ray"] = "auto"
    """What runs a replica's processes: mp on one node, ray across nodes; auto is mp where the group fits on one."""
    max_model_len: int | None = Field(None, ge=16)
    """Longest prompt plus answer in tokens; null takes the model's own."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of weights and activations; auto is the model's own on GPUs and float32 on CPUs."""
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Share of each GPU's memory that vLLM takes."""
    max_num_seqs: int = Field(64, ge=1)
    """Requests generated at once in a replica."""
    enable_prefix_caching: bool = True
    """Whether keys and values of a prompt's beginning are kept for the next request that begins alike."""
    cpu_kv_cache_gib: int = Field(1, ge=1)
    """Memory for the key-value cache of a replica on CPUs, in GiB."""
    engine_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of vLLM's AsyncEngineArgs, passed as they are; an unknown one is refused before the start."""


class AdaptersConfig(StrictModel):
    """LoRA adapters, served as `model: <id>:<adapter>`."""

    directory: Path | None = None
    """Directory with one folder an adapter, in PEFT's format; what is put there is served without a restart."""
    max_loaded: int = Field(4, ge=1)
    """Adapters that one replica holds at once; the least recently used one is evicted."""
    max_lora_rank: int = Field(64, ge=1)
    """Highest rank of an adapter."""


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
    max_choices: int = Field(16, ge=1)
    """Most answers to one request (`n`)."""
    max_active_requests: int | None = Field(None, ge=1)
    """Requests that one ingress replica answers at once; more are shed with 429. Null is twice what the engines run."""
    body_timeout_s: float = Field(30, gt=0)
    """Longest time for a request's body to arrive; then 408."""
    request_timeout_s: float | None = Field(None, gt=0)
    """Longest time for an answer; then 408, or an error event in a stream. Null is no limit."""
    failover_timeout_s: float = Field(120, gt=0)
    """Longest wait for another replica when the one that was answering is gone."""


class AccessConfig(StrictModel):
    """Who may ask."""

    api_keys_file: Path | None = None
    """File with one API key a line, read anew when it changes; lines beginning with # are comments."""
    api_keys_variable: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable of the ingress's process with API keys, separated by commas, such as a mounted secret."""
    cors_origins: list[str] = Field(default_factory=list)
    """Origins of web pages that may ask from a browser; none by default."""
    page: bool = True
    """Whether the page for trying tools is served at /."""


class ObservabilityConfig(StrictModel):
    """What is told about requests."""

    access_log: bool = True
    """One JSON line a request, with ids, counts and times, and without text."""
    log_prompts: bool = False
    """Whether the access log holds the texts of prompts and answers too."""


class AutoscalingConfig(StrictModel):
    """Engine replicas by load."""

    min_replicas: int = Field(1, ge=1)
    """Replicas that stay."""
    max_replicas: int = Field(2, ge=1)
    """Most replicas."""
    target_ongoing_requests: int = Field(32, ge=1)
    """Requests a replica is meant to answer at once; more of them ask for another replica."""
    upscale_delay_s: float = Field(10, ge=0)
    """How long the load must be high before a replica is added."""
    downscale_delay_s: float = Field(300, ge=0)
    """How long the load must be low before a replica is taken away."""

    @model_validator(mode="after")
    def _in_order(self) -> AutoscalingConfig:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas is {self.min_replicas} and max_replicas {self.max_replicas}")
        return self


class ReplicasConfig(StrictModel):
    """How many copies run."""

    engines: int | AutoscalingConfig = Field(1)
    """Engine replicas: a number, or a range as {min_replicas, max_replicas, target_ongoing_requests}."""
    ingresses: int = Field(1, ge=1)
    """Ingress replicas; one process each."""
    ingresses_on: Literal["head", "any"] = "head"
    """Nodes that ingresses run on. A connection breaks with the node of its ingress. With all of them on the head, and
    `proxy_location: HeadOnly`, no other node's death breaks one; `any` spreads them where the head's CPUs are short."""
    max_ongoing_requests: int = Field(256, ge=1)
    """Requests one engine replica takes at once, those waiting in vLLM's queue included."""
    prefer_cached_prefix: bool = True
    """Whether a request goes to the replica that was last given the same beginning of a prompt, unless it is busier."""
    drain_timeout_s: float = Field(600, gt=0)
    """How long a replica that is being replaced may take to finish its answers."""

    @model_validator(mode="after")
    def _at_least_one(self) -> ReplicasConfig:
        if isinstance(self.engines, int) and self.engines < 1:
            raise ValueError("engines must be at least 1")
        return self


class ServeConfig(StrictModel):
    """Configuration of the octupus application."""

    model: ModelConfig
    engine: EngineConfig = EngineConfig()
    adapters: AdaptersConfig = AdaptersConfig()
    decoding: DecodingConfig = DecodingConfig()
    limits: LimitsConfig = LimitsConfig()
    access: AccessConfig = AccessConfig()
    observability: ObservabilityConfig = ObservabilityConfig()
    replicas: ReplicasConfig = ReplicasConfig()

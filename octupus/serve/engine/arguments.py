"""The configuration in vLLM's own words: its engine's arguments and environment variables, checked before any start."""

from __future__ import annotations

import ast
import difflib
import os
from collections.abc import Collection
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from octupus.errors import ConfigError
from octupus.serve.config import EngineConfig, ServeConfig
from octupus.serve.engine.placement import Placement
from octupus.serve.engine.plugin import VLLM_BACKEND_NAME

WORKER_EXTENSION = "octupus.serve.engine.continuation.WorkerExtension"
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks for which vLLM makes room (`vllm.config.lora.MaxLoRARanks`)."""

OWN_KEYS = {
    "tensor_parallel_size": "engine.tensor_parallel_size",
    "pipeline_parallel_size": "engine.pipeline_parallel_size",
    "distributed_executor_backend": "engine.distributed_executor_backend",
    "max_model_len": "engine.max_model_len",
    "dtype": "engine.dtype",
    "gpu_memory_utilization": "engine.gpu_memory_utilization",
    "max_num_seqs": "engine.max_num_seqs",
    "enable_prefix_caching": "engine.enable_prefix_caching",
    "model": "model.source",
    "served_model_name": "model.id",
    "enable_lora": "adapters.directory",
    "max_loras": "adapters.max_loaded",
    "max_cpu_loras": "adapters.max_loaded",
    "max_lora_rank": "adapters.max_lora_rank",
}
"""Arguments of vLLM that have a key of their own here."""
FIXED = {
    "structured_outputs_config": "it holds octupus's constraint",
    "worker_extension_cls": "it continues answers of other replicas",
    "tokenizer": "the constraint reads the tokenizer of the model directory",
    "skip_tokenizer_init": "the constraint needs the tokenizer",
}
"""Arguments of vLLM that octupus depends on, and why."""


def check_engine_kwargs(engine_kwargs: dict[str, Any], known: Collection[str] | None = None) -> None:
    """Raises ConfigError for a name that vLLM does not have, naming the nearest, or that octupus sets itself.

    `known` are the names of AsyncEngineArgs; by default those of the installed vLLM.
    """
    for name in engine_kwargs:
        if name in OWN_KEYS:
            raise ConfigError(f"engine.engine_kwargs.{name} is set by octupus; use {OWN_KEYS[name]} instead")
        if name in FIXED:
            raise ConfigError(f"engine.engine_kwargs.{name} cannot be changed: {FIXED[name]}")
    names = argument_names() if known is None else known
    for name in engine_kwargs:
        if name not in names:
            free = sorted(set(names) - OWN_KEYS.keys() - FIXED.keys())
            nearest = difflib.get_close_matches(name, free, n=1, cutoff=0.0)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise ConfigError(f"engine.engine_kwargs.{name}: vLLM's AsyncEngineArgs has no such argument{hint}")


@cache
def argument_names() -> frozenset[str]:
    """Names of the fields of vLLM's AsyncEngineArgs, read from its source: importing it would take ten seconds."""
    spec = find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("vLLM is not installed here; install octupus with its extra cpu or gpu")
    file = Path(spec.submodule_search_locations[0]) / "engine" / "arg_utils.py"
    classes = [node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]
    return frozenset(
        statement.target.id
        for node in classes
        if node.name in ("EngineArgs", "AsyncEngineArgs")
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    )


def engine_arguments(config: ServeConfig, place: Placement) -> dict[str, Any]:
    """Arguments of vLLM's AsyncEngineArgs."""
    engine, adapters = config.engine, config.adapters
    arguments: dict[str, Any] = {
        "model": str(config.model.source),
        "tensor_parallel_size": engine.tensor_parallel_size,
        "pipeline_parallel_size": engine.pipeline_parallel_size,
        "dtype": "float32" if place.on_cpu and engine.dtype == "auto" else engine.dtype,
        "max_num_seqs": engine.max_num_seqs,
        "enable_prefix_caching": engine.enable_prefix_caching,
        "structured_outputs_config": {"backend": VLLM_BACKEND_NAME},
        "worker_extension_cls": WORKER_EXTENSION,
        "enable_log_requests": False,
        "disable_log_stats": True,
    }
    if engine.max_model_len is not None:
        arguments["max_model_len"] = engine.max_model_len
    if engine.tensor_parallel_size * engine.pipeline_parallel_size > 1:
        arguments["distributed_executor_backend"] = place.executor
    if adapters.directory is not None:
        arguments |= {
            "enable_lora": True,
            "max_loras": adapters.max_loaded,
            "max_cpu_loras": adapters.max_loaded,
            "max_lora_rank": vllm_lora_rank(adapters.max_lora_rank),
        }
    if place.on_cpu:
        arguments["enforce_eager"] = True
    else:
        arguments["gpu_memory_utilization"] = engine.gpu_memory_utilization
    return arguments | engine.engine_kwargs


def vllm_lora_rank(rank: int) -> int:
    """The least rank not below `rank` that vLLM makes room for. Raises ConfigError above the highest."""
    for known in LORA_RANKS:
        if rank <= known:
            return known
    raise ConfigError(f"adapters.max_lora_rank is {rank}, but vLLM serves adapters up to rank {LORA_RANKS[-1]}")


def engine_environment(config: EngineConfig, on_cpu: bool) -> dict[str, str]:
    """Environment variables that vLLM reads in the replica's process."""
    if not on_cpu:
        return {}
    size = config.tensor_parallel_size * config.pipeline_parallel_size
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(config.cpu_kv_cache_gib),
        # One core a rank; a single rank is left to the operating system.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind" if size == 1 else "|".join(str(rank) for rank in range(size)),
        "OMP_NUM_THREADS": "1" if size > 1 else str(min(os.cpu_count() or 1, 4)),
        "VLLM_LOGGING_LEVEL": "WARNING",
    }

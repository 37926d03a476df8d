"""The DeepSpeed configuration: generated from a stage's, with a user's own JSON file merged into it.

A file that contradicts what the stage's configuration or the training loop decides is refused; in everything else, such
as bucket sizes, the file wins. The known keys are those of DeepSpeed 0.19.8, which ignores a misspelt one silently.
Imports neither DeepSpeed nor torch.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.errors import ConfigError
from octupus.train.config import StageConfig

AUTO = "auto"
"""Hugging Face's placeholder: the value is left to the training program."""

BUCKET_ELEMENTS = 50_000_000
"""Most elements of one reduction; DeepSpeed's 500 million reserve 2 GB of float32 whatever the model's size."""

ADAMW_EPS = 1e-8
"""torch.optim.AdamW's default, which no configuration changes."""

OPTIMIZER_TYPES = ("AdamW", "Adam")
"""Types of an `optimizer` section that mean AdamW; DeepSpeed's Adam does too, unless adam_w_mode is false."""

KNOWN_KEYS: dict[str, tuple[str, ...]] = {
    "": (
        *("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps"),
        *("managed_gradient_accumulation", "gradient_clipping", "optimizer", "scheduler", "bf16", "bfloat16", "fp16"),
        *("torch_autocast", "data_types", "zero_optimization", "zero_allow_untested_optimizer"),
        *("zero_force_ds_cpu_optimizer", "aio", "activation_checkpointing", "communication_data_type"),
        *("seq_parallel_communication_data_type", "prescale_gradients", "gradient_predivide_factor"),
        *("gradient_allreduce_op", "disable_allgather", "steps_per_print", "wall_clock_breakdown", "memory_breakdown"),
        *("dump_state", "disable_python_gc", "log_level", "vocabulary_size", "dataloader_drop_last", "checkpoint"),
        *("datastates_ckpt", "tensorboard", "wandb", "csv_monitor", "comet", "comms_logger", "timers"),
        *("flops_profiler", "autotuning", "compile", "hybrid_engine", "weight_quantization", "data_efficiency"),
        *("pipeline", "tensor_parallel", "sequence_parallel_size", "data_parallel_size", "expert_parallel"),
        "use_data_before_expert_parallelism",
    ),
    "zero_optimization": (
        *("stage", "contiguous_gradients", "reduce_scatter", "reduce_bucket_size", "use_multi_rank_bucket_allreduce"),
        *("allgather_partitions", "allgather_bucket_size", "overlap_comm", "compute_grad_norm"),
        *("load_from_fp32_weights", "elastic_checkpoint", "offload_param", "offload_optimizer", "zenflow"),
        *("sub_group_size", "cpu_offload", "cpu_offload_param", "cpu_offload_use_pin_memory"),
        *("stage3_prefetch_bucket_size", "stage3_param_persistence_threshold", "stage3_model_persistence_threshold"),
        *("stage3_max_live_parameters", "stage3_max_reuse_distance", "stage3_gather_16bit_weights_on_model_save"),
        *("stage3_module_granularity_threshold", "stage3_use_all_reduce_for_fetch_params"),
        *("stage3_allgather_sequential", "stage3_gather_fp16_weights_on_model_save", "ignore_unused_parameters"),
        *("legacy_stage1", "round_robin_gradients", "parameter_alignment", "zero_hpz_partition_size"),
        *("zero_quantized_weights", "zero_quantized_nontrainable_weights", "zero_quantized_gradients"),
        *("memory_efficient_linear", "pipeline_loading_checkpoint", "override_module_apply"),
        *("log_trace_cache_warnings", "enable_sanity_checks", "save_muon_momentum_buffer_in_memory", "leaf_module"),
    ),
    "zero_optimization.offload_param": (
        *("device", "nvme_path", "buffer_count", "buffer_size", "max_in_cpu", "pin_memory"),
    ),
    "zero_optimization.offload_optimizer": (
        *("device", "nvme_path", "buffer_count", "pin_memory", "pipeline_read", "pipeline_write", "fast_init"),
        *("ratio", "super_offload", "cpuadam_cores_perc"),
    ),
    "bf16": (
        *("enabled", "immediate_grad_update", "check_grad_overflow", "bf16_master_weights_and_grads"),
        "bf16_optimizer_states",
    ),
    "fp16": (
        *("enabled", "auto_cast", "loss_scale", "initial_scale_power", "loss_scale_window", "hysteresis"),
        *("consecutive_hysteresis", "min_loss_scale", "fp16_master_weights_and_grads"),
    ),
    "optimizer": ("type", "params", "legacy_fusion"),
    "optimizer.params": (
        *("lr", "betas", "eps", "weight_decay", "adam_w_mode", "bias_correction", "amsgrad", "max_grad_norm"),
        *("torch_adam", "fused", "foreach"),
    ),
}
"""Keys by section; the key "" is the file itself. A section that is not listed is DeepSpeed's to check."""

OTHER_NAMES = {
    "bfloat16": "bf16",
    **{
        f"zero_optimization.{key.removeprefix('stage3_')}": f"zero_optimization.{key}"
        for key in KNOWN_KEYS["zero_optimization"]
        if key.startswith("stage3_") and key != "stage3_gather_fp16_weights_on_model_save"
    },
}
"""Second names that DeepSpeed accepts, and the name used here."""

REFUSED = {
    "scheduler": "the schedule is optimizer.lr, optimizer.min_lr and optimizer.warmup_steps",
    "data_efficiency": "the packs of a step follow from data.seed and data.packs_per_step",
    "pipeline": "the whole model runs on every worker",
    "tensor_parallel": "every worker trains packs of its own",
    "expert_parallel": "every worker trains packs of its own",
    "sequence_parallel_size": "every worker trains packs of its own",
    "data_parallel_size": "the number of workers is scaling.workers",
    "zero_optimization.cpu_offload": "DeepSpeed has replaced it; use engine.offload_optimizer",
    "zero_optimization.cpu_offload_param": "DeepSpeed has replaced it; use engine.offload_parameters",
    "zero_optimization.cpu_offload_use_pin_memory": "DeepSpeed has replaced it; use pin_memory of offload_optimizer",
    "zero_optimization.stage3_gather_fp16_weights_on_model_save": (
        "DeepSpeed has replaced it; use stage3_gather_16bit_weights_on_model_save"
    ),
    "zero_optimization.legacy_stage1": "DeepSpeed has removed it",
    **dict.fromkeys(
        (
            *("nebula", "compression_training", "amp", "quantize_training", "sparse_gradients", "eigenvalue"),
            *("sparse_attention", "elasticity", "graph_harvesting", "curriculum_learning", "progressive_layer_drop"),
            *("zero_optimization.mics_shard_size", "zero_optimization.mics_hierarchical_params_gather"),
            "zero_optimization.zeropp_loco_param",
        ),
        "DeepSpeed has removed it",
    ),
}
"""Keys that no file may hold, and why."""

CHECKED_ONLY = ("train_batch_size", "fp16", "optimizer", "torch_autocast")
"""Keys that are checked and then left out: off, or said otherwise in the generated configuration."""

_SECTIONS = {*KNOWN_KEYS, "torch_autocast", "compile", "checkpoint", "data_types", "aio"} - {""}
"""Keys whose value must be an object."""

_ABSENT = object()


@dataclass(frozen=True)
class Decided:
    """A value that a file may repeat but not change."""

    value: Any
    by: str
    """What decides it, with its value: "engine.zero_stage 2"."""


def deepspeed_config(
    config: StageConfig, world: int, parameters: int, hidden_size: int | None = None
) -> dict[str, Any]:
    """The dictionary for `deepspeed.initialize`: generated, with `engine.deepspeed_config` merged into it.

    `parameters` is the number of trained elements; `hidden_size` sizes ZeRO 3's buckets. Nothing in `config` that
    decides a value may be `auto` any more. Raises ConfigError as `check_deepspeed_json` does, batch sizes included.
    """
    generated = _generated(config, world, parameters, hidden_size)
    written = config.engine.deepspeed_config
    if written is None:
        return generated
    theirs = _checked(*_content(written), decided(config, world))
    return _merged(generated, {key: value for key, value in theirs.items() if key not in CHECKED_ONLY})


def check_deepspeed_json(config: StageConfig) -> None:
    """Check `engine.deepspeed_config` before training starts, as far as that needs no cluster.

    Raises ConfigError when the file cannot be read, holds an unknown key, or contradicts `config`, and when
    `engine.kind` would not use it.
    """
    written = config.engine.deepspeed_config
    if written is None:
        return
    if config.engine.kind != "deepspeed":
        raise ConfigError(
            f"engine.deepspeed_config is not used by engine.kind {config.engine.kind}; remove one of them"
        )
    workers = config.scaling.workers
    _checked(*_content(written), decided(config, workers if isinstance(workers, int) else None))


def _content(written: Path | dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What a user wrote, and what errors call it."""
    if isinstance(written, Path):
        return read_deepspeed_json(written), str(written)
    return written, "engine.deepspeed_config"


def read_deepspeed_json(path: Path) -> dict[str, Any]:
    """The object in a DeepSpeed JSON file.

    Raises ConfigError when the file is missing, is not JSON, holds a key twice, or holds something else than an object.
    """
    if not path.is_file():
        raise ConfigError(f"engine.deepspeed_config: file {path} does not exist")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigError(f"key {key!r} is written twice in {path}; keep one of them")
        return dict(pairs)

    try:
        value = json.loads(path.read_text("utf-8"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}:{error.lineno}: not valid JSON: {error.msg} (column {error.colno}); JSON has no comments and no "
            "comma behind the last entry"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must hold an object of DeepSpeed keys, not a {type(value).__name__}")
    return value


def decided(config: StageConfig, world: int | None) -> dict[str, Decided]:
    """The values that a file may not change, by dotted key; without those that wait for `world` or for the dtype."""
    engine, optimizer, packs = config.engine, config.optimizer, config.data.packs_per_step
    values = {
        "train_batch_size": Decided(packs, f"data.packs_per_step {packs}"),
        "train_micro_batch_size_per_gpu": Decided(1, "the training loop, which gives a worker one pack at a time"),
        "managed_gradient_accumulation": Decided(False, "the training loop, which says when a step ends"),
        "gradient_clipping": Decided(optimizer.max_grad_norm, f"optimizer.max_grad_norm {optimizer.max_grad_norm}"),
        "gradient_allreduce_op": Decided("mean", "the training loop, whose loss is made for the mean over workers"),
        "fp16.enabled": Decided(False, f"engine.dtype {engine.dtype}; float16 is not supported, bfloat16 is"),
        "torch_autocast.enabled": Decided(False, f"engine.dtype {engine.dtype}"),
        "compile.deepcompile": Decided(False, "the training loop, which says when a step ends"),
        "checkpoint.load_universal": Decided(False, "the checkpoint that the run continues from"),
        "zero_allow_untested_optimizer": Decided(True, "the optimizer, which is PyTorch's"),
        "zero_force_ds_cpu_optimizer": Decided(False, "the optimizer, which is PyTorch's"),
        "zero_optimization.stage": Decided(engine.zero_stage, f"engine.zero_stage {engine.zero_stage}"),
        "zero_optimization.compute_grad_norm": Decided(True, "the metrics, which hold the gradient's norm"),
        **_decided_optimizer(config),
    }
    if world is not None:
        values["gradient_accumulation_steps"] = Decided(
            math.ceil(packs / world), f"data.packs_per_step {packs} over {world} workers"
        )
    if engine.dtype != "auto":
        values["bf16.enabled"] = Decided(engine.dtype == "bfloat16", f"engine.dtype {engine.dtype}")
    if engine.zero_stage != 2:
        values["zero_optimization.overlap_comm"] = Decided(
            False, f"engine.zero_stage {engine.zero_stage}: only stage 2 can overlap when the loop ends the steps"
        )
    for section, key, device in _offloads(config):
        values[f"zero_optimization.{section}.device"] = Decided(device, f"engine.{key} {device}")
        if device == "nvme":
            values[f"zero_optimization.{section}.nvme_path"] = Decided(
                str(engine.offload_directory), f"engine.offload_directory {engine.offload_directory}"
            )
    return values


def _decided_optimizer(config: StageConfig) -> dict[str, Decided]:
    settings = config.optimizer
    ours = {
        "lr": settings.lr,
        "betas": list(settings.betas),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
    }
    fixed = {"eps": ADAMW_EPS, "adam_w_mode": True, "bias_correction": True, "amsgrad": False}
    return {
        f"optimizer.params.{key}": Decided(value, f"optimizer.{key} {_shown(value)}") for key, value in ours.items()
    } | {
        f"optimizer.params.{key}": Decided(value, f"the optimizer, torch.optim.AdamW with {key} {_shown(value)}")
        for key, value in fixed.items()
    }


def _offloads(config: StageConfig) -> Iterator[tuple[str, str, str]]:
    """DeepSpeed's section, our key and its value, for both offloads."""
    yield "offload_optimizer", "offload_optimizer", config.engine.offload_optimizer
    yield "offload_param", "offload_parameters", config.engine.offload_parameters


def _generated(config: StageConfig, world: int, parameters: int, hidden_size: int | None) -> dict[str, Any]:
    generated: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": math.ceil(config.data.packs_per_step / world),
        # step() is the boundary of accumulation, as in plain PyTorch.
        "managed_gradient_accumulation": False,
        "gradient_clipping": config.optimizer.max_grad_norm,
        "bf16": {"enabled": config.engine.dtype == "bfloat16"},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": _generated_zero(config, parameters, hidden_size),
        "steps_per_print": None,
        "wall_clock_breakdown": False,
    }
    if config.engine.dtype == "bfloat16" and config.engine.zero_stage > 1:
        # Otherwise gradients of many packs are summed in bfloat16, which forgets small ones.
        generated["data_types"] = {"grad_accum_dtype": "fp32"}
    if "nvme" in (config.engine.offload_optimizer, config.engine.offload_parameters):
        # DeepSpeed's defaults, spelled out: they are what a file of one's own tunes for its disk.
        generated["aio"] = {
            "block_size": 1_048_576,
            "queue_depth": 8,
            "intra_op_parallelism": 1,
            "single_submit": False,
            "overlap_events": True,
        }
    return generated


def _generated_zero(config: StageConfig, parameters: int, hidden_size: int | None) -> dict[str, Any]:
    zero: dict[str, Any] = {
        "stage": config.engine.zero_stage,
        # Gradients reduced on a stream of their own are right only if every wait between the streams is. A wait too few
        # shows as a step that differs now and then, and a continued run must repeat every step bit for bit. Stage 3
        # would overlap by default, which DeepSpeed refuses beside managed_gradient_accumulation false.
        "overlap_comm": False,
        "contiguous_gradients": True,
        "reduce_bucket_size": max(1, min(BUCKET_ELEMENTS, parameters)),
    }
    if config.engine.zero_stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
        if hidden_size is not None:
            # transformers' formulas: fetch about a matrix ahead, and keep norms and biases on every worker.
            zero["stage3_prefetch_bucket_size"] = min(BUCKET_ELEMENTS, int(0.9 * hidden_size * hidden_size))
            zero["stage3_param_persistence_threshold"] = 10 * hidden_size
    for section, _, device in _offloads(config):
        if device != "none":
            # Page-locked memory is copied to and from a GPU beside the computation; on CPU nothing is locked.
            zero[section] = {"device": device, "pin_memory": True}
        if device == "nvme":
            zero[section]["nvme_path"] = str(config.engine.offload_directory)
    return zero


def _checked(written: Mapping[str, Any], path: str, values: Mapping[str, Decided]) -> dict[str, Any]:
    """A file's content without `auto` and under first names. Raises ConfigError as `check_deepspeed_json` says."""
    _check_keys(written, path)
    theirs = _normalised(written, path)
    for key, ours in values.items():
        found = _value(theirs, key)
        if found is not _ABSENT and not _equal(found, ours.value):
            raise ConfigError(
                f'{key} {_shown(found)} in {path} contradicts {ours.by}; remove it from the file or write "{AUTO}"'
            )
    kind = _value(theirs, "optimizer.type")
    if kind is not _ABSENT and str(kind).lower() not in map(str.lower, OPTIMIZER_TYPES):
        raise ConfigError(
            f"optimizer.type {_shown(kind)} in {path} contradicts the optimizer, which is AdamW; remove the section"
        )
    return theirs


def _check_keys(section: Mapping[str, Any], path: str, name: str = "") -> None:
    prefix = f"{name}." if name else ""
    known = KNOWN_KEYS[name]
    for key, value in section.items():
        full = prefix + key
        if full in REFUSED:
            raise ConfigError(f"{full} in {path} is refused: {REFUSED[full]}; remove it from the file")
        if key not in known and full not in OTHER_NAMES:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {prefix + near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            raise ConfigError(f"unknown key {full!r} in {path}; {hint}")
        subsection = OTHER_NAMES.get(full, full)
        if subsection in _SECTIONS and value != AUTO:
            if not isinstance(value, dict):
                raise ConfigError(f"{full} in {path} must be an object of keys, not {_shown(value)}")
            if subsection in KNOWN_KEYS:
                _check_keys(value, path, subsection)


def _normalised(section: Mapping[str, Any], path: str, name: str = "") -> dict[str, Any]:
    """Without `auto`, which stands for our value, and with second names replaced by first ones."""
    result: dict[str, Any] = {}
    for key, value in section.items():
        full = f"{name}.{key}" if name else key
        first = OTHER_NAMES.get(full, full)
        if value == AUTO:
            continue
        last = first.rpartition(".")[2]
        if last in result or (first != full and last in section):
            raise ConfigError(f"{first} is written twice in {path}, also as {full}; keep one of them")
        result[last] = _normalised(value, path, first) if isinstance(value, dict) else value
    return result


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge of objects; everything else, lists too, is replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _value(values: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key, or _ABSENT."""
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return _ABSENT
        found = found[part]
    return found


def _equal(theirs: Any, ours: Any) -> bool:
    """Whether two JSON values are the same; true is not 1, but 1 is 1.0."""
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return theirs is ours
    return bool(theirs == ours)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

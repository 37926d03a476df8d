"""Memory of one worker, and steps, tokens and hours of a stage, before anything is started. Loads no torch.

Sizes of states follow what DeepSpeed 0.19.8 allocates (runtime/zero/stage_1_and_2.py, stage3.py and
runtime/bf16_optimizer.py) with the configuration that `deepspeed_config.py` gives it; the places are named below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from octupus.train.config import StageConfig
from octupus.train.engine.deepspeed_config import deepspeed_config
from octupus.train.estimate.activation_memory import PackMemory, PackSettings, pack_memory
from octupus.train.estimate.flops import ModelShape, step_flops

ASSUMED_MFU = 0.40
"""Share of its peak that a GPU is assumed to reach. An assumption, not a measurement."""

GPU_RUNTIME_BYTES = 3 * 2**29
"""CUDA context, cuBLAS workspace and NCCL's buffers of a process: 1.5 GiB. An assumption, not a measurement."""

_FLOAT32 = 4
_MOMENTS = 8
"""AdamW's two means of one element, in float32."""
_WIDTHS = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class PackTotals:
    """What the packs of a stage hold together, and the largest of them."""

    packs: int
    token_budget: int
    tokens: int
    trained_tokens: int
    squared_lengths: int
    """Sum over documents of their squared lengths."""
    most_trained: int
    """Trained tokens of the pack that has most."""


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes on the device of one worker, by what they hold, at the moment at which they are most."""

    moment: str
    weights: int = 0
    gradients: int = 0
    optimizer: int = 0
    """Float32 copies of the trained weights, and AdamW's two moments."""
    activations: int = 0
    logits: int = 0
    buffers: int = 0
    """Reduction buckets, the largest weight's gradient before it is reduced, and weights gathered by ZeRO 3."""
    runtime: int = 0
    """Memory of the GPU's own software."""

    @property
    def parts(self) -> dict[str, int]:
        """Bytes by part."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "moment"}

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """Bytes of one worker."""

    device: DeviceMemory
    host: int
    """What offloading keeps in the host's memory; the process itself comes on top."""
    disk: int
    """What offloading keeps on the NVMe disk."""


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """A stage before it runs."""

    workers: int
    parameters: int
    trained_parameters: int
    memory: WorkerMemory
    steps: int
    tokens: int
    """Tokens of all steps, padding left out."""
    trained_tokens: int
    flops: float
    """Model FLOPs of all steps."""
    hours: float | None
    """None without a known peak rate."""


def estimate_stage(
    config: StageConfig,
    shape: ModelShape,
    packs: PackTotals,
    workers: int,
    peak_flops: float | None = None,
    mfu: float = ASSUMED_MFU,
    on_gpu: bool = True,
) -> StageEstimate:
    """What a stage needs with `workers` workers; `peak_flops` is one GPU's peak in FLOP/s.

    `engine.dtype` and `attn_implementation` auto are taken as on a GPU without flash-attn, or as on CPU. Evaluation,
    checkpoints and start-up are not part of the hours. Raises ConfigError as `deepspeed_config` does.
    """
    steps = config.data.steps or max(1, math.ceil(round(packs.packs * config.data.epochs) / config.data.packs_per_step))
    passes = steps * config.data.packs_per_step / packs.packs
    lora = config.lora
    adapters = () if lora is None else (lora.rank, lora.target)
    flops = passes * step_flops(shape, packs.tokens, packs.trained_tokens, packs.squared_lengths, *adapters)
    return StageEstimate(
        workers=workers,
        parameters=shape.parameters,
        trained_parameters=trained_parameters(config, shape),
        memory=worker_memory(config, shape, packs, workers, on_gpu),
        steps=steps,
        tokens=round(passes * packs.tokens),
        trained_tokens=round(passes * packs.trained_tokens),
        flops=flops,
        hours=None if peak_flops is None else flops / (workers * peak_flops * mfu) / 3600,
    )


def worker_memory(
    config: StageConfig, shape: ModelShape, packs: PackTotals, workers: int, on_gpu: bool = True
) -> WorkerMemory:
    """Memory of one worker: the largest of three moments, each the sum of its parts."""
    resolved = resolve_auto(config, on_gpu)
    pack = pack_memory(shape, pack_settings(resolved, packs))
    state = _plain(resolved, shape) if config.engine.kind == "plain" else _zero(resolved, shape, workers)
    accumulates = config.data.packs_per_step > workers
    device = max(_moments(state, pack, accumulates), key=lambda moment: moment.total)
    runtime = GPU_RUNTIME_BYTES if on_gpu else 0
    return WorkerMemory(replace(device, runtime=runtime), host=state.host, disk=state.disk)


def trained_parameters(config: StageConfig, shape: ModelShape) -> int:
    """Elements that have gradients; of LoRA those of its adapters, without the few rows of control tokens."""
    lora = config.lora
    return shape.parameters if lora is None else shape.adapter_parameters(lora.rank, lora.target)


def resolve_auto(config: StageConfig, on_gpu: bool) -> StageConfig:
    """The configuration with a type and an attention in place of auto."""
    engine = config.engine
    dtype = {True: "bfloat16", False: "float32"}[on_gpu] if engine.dtype == "auto" else engine.dtype
    attention = engine.attn_implementation
    if attention == "auto":
        attention = "sdpa" if on_gpu else "packed"
    resolved = engine.model_copy(update={"dtype": dtype, "attn_implementation": attention})
    return config.model_copy(update={"engine": resolved})


def pack_settings(config: StageConfig, packs: PackTotals) -> PackSettings:
    """The fullest pack of a stage, whose `auto` values are resolved."""
    engine = config.engine
    return PackSettings(
        tokens=packs.token_budget,
        trained_tokens=packs.most_trained,
        width=_WIDTHS[engine.dtype],
        attention=engine.attn_implementation,
        gradient_checkpointing=engine.gradient_checkpointing,
        chunked_cross_entropy=engine.cross_entropy == "chunked",
        lora=config.lora,
    )


@dataclass(frozen=True, slots=True)
class _State:
    """Bytes that do not depend on the pack."""

    weights: int
    optimizer: int
    waiting_gradients: int
    """Accumulated from earlier packs of the step."""
    gradients: int
    """At the end of a pack's backward pass."""
    step_gradients: int
    """While the optimizer steps."""
    buffers: int
    host: int = 0
    disk: int = 0


def _moments(state: _State, pack: PackMemory, accumulates: bool) -> list[DeviceMemory]:
    waiting = state.waiting_gradients if accumulates else 0
    return [
        DeviceMemory(moment, state.weights, gradients, state.optimizer, activations, logits, state.buffers)
        for moment, gradients, activations, logits in (
            ("the loss", waiting, pack.at_loss, pack.logits),
            ("a layer's backward pass", state.gradients, pack.at_layer, 0),
            ("the optimizer's step", state.step_gradients, 0, 0),
        )
    ]


def _plain(config: StageConfig, shape: ModelShape) -> _State:
    """PlainEngine: autograd's gradients; training in bfloat16, float32 copies of weights and of gradients too."""
    width, trained = _WIDTHS[config.engine.dtype], trained_parameters(config, shape)
    copied = width != _FLOAT32
    return _State(
        weights=_weights(config, shape),
        optimizer=(_MOMENTS + (_FLOAT32 if copied else 0)) * trained,
        waiting_gradients=_FLOAT32 * trained,
        gradients=(_FLOAT32 + (width if copied else 0)) * trained,
        step_gradients=_FLOAT32 * trained,
        # Autograd adds to a weight's gradient one that it makes first.
        buffers=_FLOAT32 * _largest_trained(config, shape),
    )


def _zero(config: StageConfig, shape: ModelShape, workers: int) -> _State:
    """What DeepSpeed holds, by its own configuration."""
    trained = trained_parameters(config, shape)
    written = deepspeed_config(config, workers, trained, shape.hidden_size)
    settings = _ZeroSettings(
        width=_WIDTHS[config.engine.dtype],
        gradient_width=_gradient_width(written, _WIDTHS[config.engine.dtype]),
        weights=_weights(config, shape),
        trained=trained,
        share=math.ceil(trained / workers),
        largest=_largest_trained(config, shape),
        bucket=int(written["zero_optimization"]["reduce_bucket_size"])
        * (2 if written["zero_optimization"].get("overlap_comm") else 1),
        accumulates=config.data.packs_per_step > workers,
    )
    if config.engine.zero_stage == 3:
        return _stage_3(config, shape, workers, settings, written["zero_optimization"])
    return _stages_1_and_2(config, settings)


@dataclass(frozen=True, slots=True)
class _ZeroSettings:
    width: int
    gradient_width: int
    """Bytes in which gradients are accumulated: data_types.grad_accum_dtype, by default the type of weights."""
    weights: int
    """Bytes of all weights."""
    trained: int
    share: int
    """Trained elements of one worker."""
    largest: int
    """Elements of the largest trained weight."""
    bucket: int
    """Elements of the buffers that gradients are reduced in."""
    accumulates: bool


def _stages_1_and_2(config: StageConfig, zero: _ZeroSettings) -> _State:
    stage_1 = config.engine.zero_stage == 1
    buffers = zero.width * (zero.bucket + zero.largest)
    # A float32 copy of this worker's share is made in any case (`single_partition_of_fp32_groups`).
    optimizer = (_FLOAT32 + _MOMENTS) * zero.share
    if config.engine.offload_optimizer != "none":
        # Host: that, float32 gradients, gradients and updated weights in the type of weights, and a staging buffer.
        host = optimizer + (_FLOAT32 + 2 * zero.width) * zero.share + zero.width * zero.largest
        gradients = zero.width * zero.trained if stage_1 else 0
        buffers += zero.width * zero.largest  # `temp_grad_buffer_for_gpu_offload`
        return _State(zero.weights, 0, gradients, gradients, gradients, buffers, host=host)
    converted = zero.width != zero.gradient_width
    if stage_1:
        # Whole gradients, and this worker's share of them (`grads_in_partition`), stay until the step; accumulated in
        # float32, BF16_Optimizer keeps them in a flat buffer.
        waiting = zero.gradient_width * zero.trained + (0 if converted else zero.width * zero.share)
        gradients = waiting + (zero.width * zero.trained if converted else 0)
        step = waiting + (0 if converted else (zero.width + _FLOAT32) * zero.share)
        return _State(zero.weights, optimizer, waiting, gradients, step, buffers)
    # `averaged_gradients`: accumulated in float32, one flat buffer that the step uses as it is; else tensors of the
    # weights' type, this pack's beside those before, which the step joins (`flatten`) and turns into float32.
    waiting = zero.gradient_width * zero.share
    gradients = waiting * (2 if zero.accumulates and not converted else 1)
    step = waiting if converted else (2 * zero.width + (_FLOAT32 if zero.width != _FLOAT32 else 0)) * zero.share
    return _State(zero.weights, optimizer, waiting, gradients, step, buffers)


def _stage_3(
    config: StageConfig, shape: ModelShape, workers: int, zero: _ZeroSettings, written: Mapping[str, Any]
) -> _State:
    engine = config.engine
    sub_group = min(zero.share, int(written.get("sub_group_size", 1e9)))
    # Weights that are used again soon are not put away, up to `max_live_parameters`; one is always whole.
    live = int(written.get("stage3_max_live_parameters", 1e9)) + int(written.get("stage3_prefetch_bucket_size", 5e7))
    gathered = zero.width * min(shape.parameters, max(live, shape.largest_parameter)) if workers > 1 else 0
    buffers = gathered + zero.width * (zero.bucket + zero.largest)
    weights, host, disk = math.ceil(zero.weights / workers), 0, 0
    if engine.offload_parameters == "cpu":
        weights, host = 0, weights
    elif engine.offload_parameters == "nvme":  # `max_in_cpu`, and 5 buffers of 10^8 elements
        weights, host, disk = 0, min(weights, zero.width * 10**9) + 5 * zero.width * 10**8, weights
    # In float32 the weights are copied too: stage3.py means to share them, but compares a device with its name.
    optimizer = (_FLOAT32 + _MOMENTS) * zero.share
    accumulated = zero.gradient_width * zero.share  # `grad_partitions_flat_buffer`
    if engine.offload_optimizer == "cpu":
        host += accumulated + optimizer + _FLOAT32 * zero.share
        return _State(weights, 0, 0, 0, 0, buffers, host, disk)
    if engine.offload_optimizer == "nvme":  # 4 buffers of a sub-group
        disk += optimizer + _FLOAT32 * zero.share
        host += accumulated + 4 * _FLOAT32 * sub_group
        return _State(weights, 0, 0, 0, 0, buffers, host, disk)
    step = accumulated + (zero.gradient_width + (_FLOAT32 if zero.gradient_width != _FLOAT32 else 0)) * sub_group
    return _State(weights, optimizer, accumulated, accumulated, step, buffers, host, disk)


def _weights(config: StageConfig, shape: ModelShape) -> int:
    """Bytes of all weights, adapters too."""
    adapters = 0 if config.lora is None else trained_parameters(config, shape)
    return _WIDTHS[config.engine.dtype] * (shape.parameters + adapters)


def _largest_trained(config: StageConfig, shape: ModelShape) -> int:
    """Elements of the largest weight that is trained."""
    if config.lora is None:
        return shape.largest_parameter
    return config.lora.rank * max(max(sizes) for sizes in shape.layer_matrices.values())


def _gradient_width(written: Mapping[str, Any], width: int) -> int:
    kinds = {"fp32": 4, "float32": 4, "bf16": 2, "bfloat16": 2, "fp16": 2}
    chosen = written.get("data_types", {}).get("grad_accum_dtype")
    return width if chosen is None else kinds.get(str(chosen), width)

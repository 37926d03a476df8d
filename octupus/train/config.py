"""Configuration of one training stage and of editing a vocabulary.

Imports nothing heavy, so that `--help` and `--dry-run` answer at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from octupus.config import StrictModel

SUPPORTED_ZERO_STAGES = (1, 2)


class RunConfig(StrictModel):
    """Where a run keeps its checkpoints, metrics and report."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run: the directory below `storage`. The same name continues the same run."""
    storage: Path
    """Directory of all runs. With workers on several nodes it must be shared by them."""

    @property
    def directory(self) -> Path:
        """Absolute directory of this run."""
        return self.storage.absolute() / self.name


class DataConfig(StrictModel):
    """Which packs are trained, in which order, for how long."""

    directory: Path
    """Prepared directory of `jobs/prepare_data.py`: manifest.json and its pack shards."""
    packs_per_step: int = Field(ge=1)
    """Packs of one optimizer step over all workers (the global batch)."""
    epochs: float = Field(default=1.0, gt=0)
    """How often the packs are seen; not used when `steps` is set."""
    steps: int | None = Field(default=None, ge=1)
    """Number of optimizer steps, instead of `epochs`."""
    seed: int = Field(default=0, ge=0)
    """Seed of the order of packs and of the workers' random generators."""


class OptimizerConfig(StrictModel):
    """AdamW with a cosine schedule."""

    lr: float = Field(default=2e-5, gt=0)
    """Highest learning rate, reached at the end of the warm-up."""
    min_lr: float = Field(default=1e-6, ge=0)
    """Learning rate at the last step."""
    warmup_steps: int = Field(default=50, ge=0)
    """Steps in which the learning rate rises linearly."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay, on matrices only (not on biases and norms)."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients with a larger global L2 norm are scaled down to it."""

    @model_validator(mode="after")
    def _check(self) -> OptimizerConfig:
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr:g} is above lr {self.lr:g}; lower min_lr or raise lr")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {self.betas} must lie in [0, 1)")
        return self


class EngineConfig(StrictModel):
    """How DeepSpeed runs the model."""

    zero_stage: Literal[0, 1, 2, 3] = 2
    """What ZeRO shards over the workers: 1 the optimizer's state, 2 gradients too."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of weights and activations; auto is bfloat16 on GPU and float32 on CPU."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    attn_implementation: str = "sdpa"
    """Transformers' attention: sdpa, or flash_attention_2 where it is installed."""

    @model_validator(mode="after")
    def _check(self) -> EngineConfig:
        if self.zero_stage not in SUPPORTED_ZERO_STAGES:
            known = " or ".join(map(str, SUPPORTED_ZERO_STAGES))
            raise ValueError(f"zero_stage {self.zero_stage} is not supported yet; use {known}")
        return self


class ScalingConfig(StrictModel):
    """Workers of the run."""

    workers: int | Literal["auto"] = 2
    """Number of workers; auto is one for each GPU of the cluster, or 2 on CPU."""
    cpus_per_worker: int = Field(default=1, ge=1)
    """CPUs, and threads, of one worker."""
    max_failures: int = Field(default=3, ge=0)
    """How often the run restarts from its newest checkpoint after a worker died."""

    @model_validator(mode="after")
    def _check(self) -> ScalingConfig:
        if self.workers != "auto" and self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it must be at least 1, or auto")
        return self


class CheckpointConfig(StrictModel):
    """When checkpoints are written."""

    every_steps: int = Field(default=200, ge=1)
    """Steps between checkpoints."""
    keep: int = Field(default=2, ge=1)
    """How many of the newest checkpoints are kept."""


class StageConfig(StrictModel):
    """One training stage: packs in, a Hugging Face model directory out."""

    run: RunConfig
    model: Path
    """Start weights: a Hugging Face directory with control tokens, of `jobs/edit_tokenizer.py` or an earlier stage."""
    data: DataConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    engine: EngineConfig = EngineConfig()
    scaling: ScalingConfig = ScalingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    export: Path | None = None
    """Directory of the trained model; null writes a last checkpoint only."""

    @model_validator(mode="after")
    def _check(self) -> StageConfig:
        if self.scaling.workers != "auto":
            complaint = indivisible(self.data.packs_per_step, self.scaling.workers)
            if complaint:
                raise ValueError(complaint)
        return self


class VocabularyConfig(StrictModel):
    """Give a base model the control tokens of a dialect."""

    base: Path
    """Hugging Face directory of the base model."""
    output: Path
    """Directory to write."""
    dialect: str = "octupus"
    """Dialect whose control tokens are added."""


def indivisible(packs_per_step: int, workers: int) -> str | None:
    """What to say when `packs_per_step` cannot be shared equally by `workers`; None when it can."""
    rest = packs_per_step % workers
    if rest == 0:
        return None
    below, above = packs_per_step - rest, packs_per_step - rest + workers
    nearest = f"{below} or {above}" if below else str(above)
    return (
        f"data.packs_per_step {packs_per_step} is not a multiple of scaling.workers {workers}; "
        f"the nearest that are: {nearest}"
    )

"""Configuration of one training stage and of editing a vocabulary.

Imports nothing heavy, so that `--help` and `--dry-run` answer at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, model_validator

from octupus.config import StrictModel


class RunConfig(StrictModel):
    """Where a run keeps its checkpoints, metrics and report."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run: the directory below `storage`. The same name continues the same run."""
    storage: str = Field(min_length=1)
    """Directory of all runs: a path, shared by workers on several nodes, or an s3:// or gs:// URL."""

    @property
    def location(self) -> str:
        """Absolute path, or URL, of this run's directory."""
        if "://" in self.storage:
            url = urlsplit(self.storage)  # whose query says, for instance, where an S3 endpoint is
            return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/{self.name}"))
        return str(Path(self.storage).absolute() / self.name)


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
    """What runs the model, and what it spends memory and time on."""

    kind: Literal["deepspeed", "plain"] = "deepspeed"
    """deepspeed shards over workers; plain is PyTorch alone, for a single worker."""
    zero_stage: Literal[0, 1, 2, 3] = 2
    """What ZeRO shards over the workers: 1 the optimizer's state, 2 gradients too, 3 weights too."""
    offload_optimizer: Literal["none", "cpu", "nvme"] = "none"
    """Where the optimizer's state lies: none keeps it on the GPU; nvme needs ZeRO 3 and `offload_directory`."""
    offload_parameters: Literal["none", "cpu", "nvme"] = "none"
    """Where weights lie that are not in use; needs ZeRO 3."""
    offload_directory: Path | None = None
    """Directory on a local NVMe disk of every node, for nvme."""
    deepspeed_config: Path | dict[str, Any] | None = None
    """A DeepSpeed JSON file of your own, or its content, for what the keys here do not say; one that contradicts them
    is refused."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of weights and activations; auto is bfloat16 on GPU and float32 on CPU."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    attn_implementation: str = "auto"
    """Attention: packed is octupus's own, document by document; sdpa, flash_attention_2 and others are transformers'.
    auto is packed on CPU, flash_attention_2 on a GPU where it is installed, else sdpa."""
    cross_entropy: Literal["full", "chunked"] = "full"
    """chunked never holds the logits of a whole pack: less memory with a large vocabulary, somewhat slower."""

    @model_validator(mode="after")
    def _check(self) -> EngineConfig:
        if self.zero_stage == 0:
            raise ValueError("zero_stage 0 gives no gradient norm; use 1, which shards the optimizer's state only")
        if self.zero_stage != 3 and self.offload_parameters != "none":
            raise ValueError(f"offload_parameters needs zero_stage 3, not {self.zero_stage}")
        if self.zero_stage != 3 and self.offload_optimizer == "nvme":
            raise ValueError(f"offload_optimizer nvme needs zero_stage 3, not {self.zero_stage}; use cpu")
        if "nvme" in (self.offload_optimizer, self.offload_parameters) and self.offload_directory is None:
            raise ValueError("nvme needs offload_directory, a directory on a local disk of every node")
        return self


class LoraConfig(StrictModel):
    """Low-rank adapters (PEFT) beside frozen weights."""

    rank: int = Field(default=16, ge=1)
    """Rank of the adapters."""
    alpha: float = Field(default=32.0, gt=0)
    """Adapters are scaled by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability with which an adapter's input is set to zero in training."""
    target: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """Layers that get adapters: all linear ones but the head, or names such as [q_proj, v_proj]."""
    train_control_tokens: bool = True
    """Train the embedding rows of the dialect's control tokens too: a base model has never seen them."""


class WorkerRange(StrictModel):
    """As many workers as the cluster holds at the moment, within limits."""

    min: int = Field(ge=1)
    """Fewest workers to train with."""
    max: int = Field(ge=1)
    """Most workers to train with."""

    @model_validator(mode="after")
    def _check(self) -> WorkerRange:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class ScalingConfig(StrictModel):
    """Workers of the run."""

    workers: int | Literal["auto"] | WorkerRange = 2
    """Number of workers; auto is one for each GPU of the cluster, or 2 on CPU; {min, max} follows the cluster."""
    cpus_per_worker: int = Field(default=1, ge=1)
    """CPUs, and threads, of one worker."""
    max_failures: int = Field(default=3, ge=-1)
    """How often the run restarts from its newest checkpoint after a worker died; -1 is without limit. Nodes that Ray
    knows to be preempted do not count."""
    autoscaling: bool = False
    """Whether the cluster grows on demand: then more workers than it holds now are waited for, not refused."""
    use_gpu: bool | Literal["auto"] = "auto"
    """Whether each worker has a GPU; auto is whether the cluster has any now. One that has yet to grow needs true."""

    @model_validator(mode="after")
    def _check(self) -> ScalingConfig:
        if isinstance(self.workers, int) and self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it must be at least 1, auto, or {{min, max}}")
        return self


class EvaluationConfig(StrictModel):
    """Loss on packs that are not trained."""

    directory: Path
    """Prepared directory, of the same tokenizer and dialect, whose packs are only looked at."""
    every_steps: int = Field(default=100, ge=1)
    """Steps between evaluations; the last step is always followed by one."""
    packs: int = Field(default=256, ge=1)
    """At most this many packs, the first ones."""


class TrackingConfig(StrictModel):
    """Where metrics go besides metrics.jsonl, report.html and TensorBoard files, which are always written."""

    wandb_project: str | None = None
    """Weights & Biases project; its key is read from WANDB_API_KEY."""
    mlflow_experiment: str | None = None
    """MLflow experiment; the server is read from MLFLOW_TRACKING_URI."""


class CheckpointConfig(StrictModel):
    """When checkpoints are written."""

    every_steps: int = Field(default=200, ge=1)
    """Steps between checkpoints; the last step is always followed by one."""
    every_minutes: float | None = Field(default=None, gt=0)
    """Minutes after which a checkpoint is written in any case."""
    keep: int = Field(default=2, ge=1)
    """How many of the newest checkpoints are kept."""


class StageConfig(StrictModel):
    """One training stage: packs in, a Hugging Face model directory out."""

    run: RunConfig
    model: Path
    """Start weights: a Hugging Face directory with control tokens, of `jobs/edit_tokenizer.py` or an earlier stage."""
    data: DataConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    lora: LoraConfig | None = None
    """Train adapters instead of all weights; `export` is then an adapter for `jobs/merge_lora.py`."""
    engine: EngineConfig = EngineConfig()
    scaling: ScalingConfig = ScalingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    evaluation: EvaluationConfig | None = None
    tracking: TrackingConfig = TrackingConfig()
    export: Path | None = None
    """Directory of the trained model; null writes a last checkpoint only."""

    @model_validator(mode="after")
    def _check(self) -> StageConfig:
        if isinstance(self.scaling.workers, int):
            complaint = indivisible(self.data.packs_per_step, self.scaling.workers)
            if complaint:
                raise ValueError(complaint)
        if self.engine.kind == "plain" and self.scaling.workers != 1:
            raise ValueError("engine.kind plain trains with one worker; set scaling.workers to 1, or use deepspeed")
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

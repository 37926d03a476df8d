"""Training: one pack at a time on every GPU, ZeRO's traffic, checkpoints and restarts (octupus/train)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.cluster_scaling import constants as c
from benchmarks.cluster_scaling.resource import Cluster, Use
from octupus.plan_stage import USABLE_SHARE
from octupus.train.config import StageConfig
from octupus.train.estimate.accelerators import accelerator
from octupus.train.estimate.flops import ModelShape, model_shape
from octupus.train.estimate.worker import ASSUMED_MFU, DeviceMemory, PackTotals, estimate_stage, worker_memory

TOKEN_BUDGET = 8192
SHIPPED_PACKS = 16
"""jobs/train_stg2.yaml: 131,072 tokens a step."""
NETWORK = "network between nodes"
EVERY_STEPS = 200
"""Default of checkpoint.every_steps."""

# config.json of Qwen/Qwen2.5-7B and Qwen/Qwen2.5-72B.
QWEN_7B = model_shape(
    {
        "model_type": "qwen2",
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    }
)
QWEN_72B = model_shape(
    {
        "model_type": "qwen2",
        "vocab_size": 152064,
        "hidden_size": 8192,
        "intermediate_size": 29568,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
    }
)


def packs_for(gpus: int) -> int:
    """`data.packs_per_step` with which every GPU has a pack: the shipped batch while it is large enough."""
    return max(SHIPPED_PACKS, gpus)


@dataclass(frozen=True)
class Training:
    """One stage on one cluster."""

    name: str
    shape: ModelShape
    zero_stage: int
    cluster: Cluster
    packs: int
    """`data.packs_per_step`."""
    every_steps: float = EVERY_STEPS

    @cached_property
    def memory(self) -> DeviceMemory:
        """Of a worker, by octupus plan's own estimate."""
        packs = _totals(self.packs)
        return worker_memory(_stage(self.zero_stage, self.packs), self.shape, packs, self.cluster.gpus).device

    @property
    def fits(self) -> bool:
        """Whether octupus plan would let it start."""
        return self.memory.total <= USABLE_SHARE * accelerator("h100-80gb").memory_gib * 2**30

    @property
    def packs_a_worker(self) -> int:
        """Packs that each worker goes through in a step; some may be empty."""
        return math.ceil(self.packs / self.cluster.gpus)

    @property
    def weight_bytes(self) -> float:
        """All weights in bfloat16: what one gather of them moves, and one reduction of their gradients."""
        return c.GRADIENT_BYTES * self.shape.parameters

    @cached_property
    def compute_s(self) -> float:
        """Seconds of forward and backward passes of a step, by octupus plan's FLOPs and its assumed MFU."""
        peak = accelerator("h100-80gb").peak_flops("bfloat16")
        one = estimate_stage(_stage(self.zero_stage, 1), self.shape, _totals(1), 1, peak, ASSUMED_MFU)
        assert one.hours is not None
        return 3600 * one.hours * self.packs_a_worker

    @property
    def traffic(self) -> float:
        """Bytes past every GPU in a step, in rings.

        DeepSpeed 0.19.8 reduces gradients of stages 1 and 2 by all-reduce (`use_multi_rank_bucket_allreduce`), which
        is two rounds, stage 1 once a step and stage 2 once a pack; then weights are gathered. Stage 3 gathers weights
        twice a pack and scatters gradients once (Rajbhandari et al. 2020, ZeRO, arXiv 1910.02054, section 7).
        """
        rounds = {1: 3, 2: 2 * self.packs_a_worker + 1, 3: 3 * self.packs_a_worker}[self.zero_stage]
        return rounds * self.weight_bytes

    @property
    def nvlink_s(self) -> float:
        return self.cluster.nvlink_s(self.traffic)

    @property
    def network_s(self) -> float:
        return self.cluster.network_s(self.traffic)

    @property
    def step_s(self) -> float:
        """Computing and communicating take turns: `overlap_comm` is off so that runs repeat exactly."""
        return self.compute_s + max(self.nvlink_s, self.network_s)

    def hours(self, tokens: float) -> float:
        """Hours for so many tokens, without checkpoints and failures."""
        return self.step_s * tokens / (self.packs * TOKEN_BUDGET * c.FILL) / 3600

    @property
    def checkpoint_bytes(self) -> float:
        """Weights (2 bytes a parameter), their float32 copies and AdamW's two moments (12), by the plan's estimate."""
        weights = self.memory.weights * (self.cluster.gpus if self.zero_stage == 3 else 1)
        return weights + self.memory.optimizer * self.cluster.gpus

    @property
    def save_s(self) -> float:
        """What a step waits for: the largest worker's share goes to its own disk.

        In stages 1 and 2 rank 0 alone writes the weights, which no number of workers makes smaller.
        """
        return (self.memory.weights + self.memory.optimizer) / c.DISK_WRITE

    @property
    def upload_s(self) -> float:
        """Then threads carry the shares to shared storage while training goes on; the next checkpoint waits for it."""
        return self.cluster.storage_s(self.checkpoint_bytes)

    @property
    def interval_s(self) -> float:
        """Between two checkpoints."""
        return self.every_steps * self.step_s

    def restart_s(self, url: bool) -> float:
        """Seconds from a failure to the next step.

        From a path every node reads all weights twice, start model and checkpoint, and every worker its own share.
        From an s3:// or gs:// URL every node downloads the whole checkpoint (`checkpoint.writer.restore`).
        """
        weights = self.cluster.nodes * self.weight_bytes
        if url:
            return c.RESTART + self.cluster.storage_s(weights + self.cluster.nodes * self.checkpoint_bytes)
        again = weights if self.zero_stage < 3 else 0.0
        own = self.checkpoint_bytes - (self.weight_bytes if self.zero_stage < 3 else 0.0)
        return c.RESTART + self.cluster.storage_s(weights + again + own)

    def lost_share(self, interval_s: float, url: bool = False) -> float:
        """Share of the time that goes to writing checkpoints, to work done twice, and to restarts."""
        return self.save_s / interval_s + (interval_s / 2 + self.restart_s(url)) / self.cluster.failure_s

    @property
    def best_interval_s(self) -> float:
        """Young's interval (A first order approximation to the optimum checkpoint interval, CACM 17:9, 1974)."""
        return math.sqrt(2 * self.save_s * self.cluster.failure_s)

    @property
    def packs_for_network(self) -> int:
        """`data.packs_per_step` with which ZeRO 1, whose traffic is once a step, takes no longer than computing."""
        rounds = replace(self, zero_stage=1)
        seconds = max(rounds.nvlink_s, rounds.network_s)
        return self.cluster.gpus * max(self.packs_a_worker, math.ceil(seconds / (self.compute_s / self.packs_a_worker)))

    def uses(self) -> list[Use]:
        """Shares while the GPUs compute at their own pace. The batch is the shipped one; all else has a pack a GPU."""
        interval = self.every_steps * self.compute_s
        fewer_rounds = f"engine.zero_stage 1 with data.packs_per_step {self.packs_for_network}; lora"
        return [
            Use(
                "packs of a step (shipped batch)",
                self.cluster.gpus / SHIPPED_PACKS,
                f"data.packs_per_step {packs_for(self.cluster.gpus)}",
            ),
            Use(
                "NVLink",
                self.nvlink_s / self.compute_s,
                fewer_rounds,
            ),
            Use(
                NETWORK,
                self.network_s / self.compute_s,
                fewer_rounds,
            ),
            Use("checkpoint to storage", self.upload_s / interval, "checkpoint.every_steps"),
            Use("checkpoint to own disk", self.save_s / interval, "checkpoint.every_steps; TMPDIR on NVMe"),
            Use(
                "restarts, storage a path",
                self.restart_s(False) / self.cluster.failure_s,
                "run.storage on faster storage",
            ),
            Use("restarts, storage a URL", self.restart_s(True) / self.cluster.failure_s, "run.storage a mounted path"),
        ]


def _stage(zero_stage: int, packs: int) -> StageConfig:
    """The shipped stage 2, as far as the estimate depends on it."""
    here = Path("/")
    return StageConfig.model_validate(
        {
            "run": {"name": "scaling", "storage": "/"},
            "model": here,
            "data": {"directory": here, "packs_per_step": packs, "steps": 1},
            "engine": {"zero_stage": zero_stage, "dtype": "bfloat16", "gradient_checkpointing": True},
            "scaling": {"workers": "auto"},
        }
    )


def _totals(packs: int) -> PackTotals:
    tokens = round(packs * TOKEN_BUDGET * c.FILL)
    trained = round(tokens * c.TRAINED_SHARE)
    squared = round(tokens * c.DOCUMENT_TOKENS)
    return PackTotals(packs, TOKEN_BUDGET, tokens, trained, squared, round(TOKEN_BUDGET * c.TRAINED_SHARE))

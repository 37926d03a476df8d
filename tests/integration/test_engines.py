"""ZeRO's stages, offloading, adapters, recomputation and another number of workers, against PyTorch alone.

Two processes joined by gloo train all stages one after the other, without Ray; a single one trains the references.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from octupus.train.checkpoint.storage import Storage
from octupus.train.config import (
    CheckpointConfig,
    DataConfig,
    EngineConfig,
    LoraConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
    VocabularyConfig,
)
from octupus.train.model.vocabulary import edit_vocabulary
from octupus.train.watch.metrics import StepMetrics, read_metrics
from tests.integration.worker_processes import Trained, train_in_processes
from tests.train.tiny_model import write_base_model, write_packs

STEPS = 6
HALF = 3

LORA = {"rank": 4, "alpha": 8}
DROPOUT = {**LORA, "dropout": 0.1}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"kind": "plain"},
    "plain_bfloat16": {"kind": "plain", "dtype": "bfloat16"},
    "plain_lora": {"kind": "plain", "lora": LORA},
    "zero1": {"zero_stage": 1},
    "zero2": {"zero_stage": 2},
    "zero3": {"zero_stage": 3},
    "zero2_recomputed": {"zero_stage": 2, "gradient_checkpointing": True},
    "zero2_chunked": {"zero_stage": 2, "cross_entropy": "chunked"},
    "zero3_chunked": {"zero_stage": 3, "cross_entropy": "chunked"},
    "zero2_sdpa": {"zero_stage": 2, "attn_implementation": "sdpa"},
    "zero2_offloaded": {"zero_stage": 2, "offload_optimizer": "cpu"},
    "zero3_offloaded": {"zero_stage": 3, "offload_optimizer": "cpu", "offload_parameters": "cpu"},
    "zero1_bfloat16": {"zero_stage": 1, "dtype": "bfloat16"},
    "zero2_bfloat16": {"zero_stage": 2, "dtype": "bfloat16"},
    "zero3_bfloat16": {"zero_stage": 3, "dtype": "bfloat16"},
    "zero2_lora": {"zero_stage": 2, "lora": LORA},
    "zero3_lora": {"zero_stage": 3, "lora": LORA},
    "zero2_lora_recomputed": {"zero_stage": 2, "lora": LORA, "gradient_checkpointing": True},
    "zero2_lora_dropout": {"zero_stage": 2, "lora": DROPOUT},
    "zero3_lora_dropout": {"zero_stage": 3, "lora": DROPOUT},
}
CONTINUED = ["zero1", "zero2", "zero3", "zero3_bfloat16", "zero2_lora_dropout", "zero3_lora_dropout"]
WITH_ANOTHER_WORLD = ["zero1", "zero2", "zero3", "zero2_lora"]
UNTIED = ["zero2", "zero3", "zero2_lora"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run of this module."""
    directory = tmp_path_factory.mktemp("engines")
    for tied in (True, False):
        name = "tied" if tied else "untied"
        base = write_base_model(directory / f"{name}_base", tied=tied)
        edit_vocabulary(VocabularyConfig(base=base, output=directory / name))
    write_packs(directory / "data", directory / "tied")
    sharded = [name for name in VARIANTS if not name.startswith("plain")]
    by_two = [Trained(stage(directory, name)) for name in sharded]
    by_two += [continued(directory, name, workers=2) for name in CONTINUED]
    by_two += [Trained(stage(directory, name, model="untied")) for name in UNTIED]
    train_in_processes(by_two, 2, directory)
    by_one = [Trained(stage(directory, name, workers=1)) for name in VARIANTS if name.startswith("plain")]
    by_one += [Trained(stage(directory, "plain", workers=1, model="untied"))]
    by_one += [continued(directory, name, workers=1) for name in WITH_ANOTHER_WORLD]
    train_in_processes(by_one, 1, directory)
    return directory


def stage(directory: Path, variant: str, workers: int = 2, model: str = "tied", suffix: str = "") -> StageConfig:
    engine = {"dtype": "float32", "attn_implementation": "packed"} | VARIANTS[variant]
    lora = engine.pop("lora", None)
    name = f"{variant}_{model}{suffix}"
    return StageConfig(
        run=RunConfig(name=name, storage=str(directory / "runs")),
        model=directory / model,
        data=DataConfig(directory=directory / "data", packs_per_step=4, steps=STEPS, seed=3),
        optimizer=OptimizerConfig(lr=1e-3, min_lr=1e-4, warmup_steps=2, weight_decay=0.01),
        scaling=ScalingConfig(workers=workers),
        checkpoint=CheckpointConfig(every_steps=HALF),
        lora=None if lora is None else LoraConfig(**lora),
        engine=EngineConfig(**engine),
        export=directory / "exports" / name,
    )


def continued(directory: Path, variant: str, workers: int) -> Trained:
    """A run that begins with the checkpoint that two workers wrote at the half of `variant`."""
    config = stage(directory, variant, workers, suffix=f"_continued_by_{workers}")
    return Trained(config, continues=f"{variant}_tied/step_{HALF:08d}")


def metrics(workspace: Path, name: str) -> list[StepMetrics]:
    return read_metrics(Storage(str(workspace / "runs" / name)))


def numbers(rows: Sequence[StepMetrics]) -> list[tuple[Any, ...]]:
    return [(row.step, row.loss, row.grad_norm, row.lr, row.packs, row.trained_tokens) for row in rows]


def weights(workspace: Path, name: str) -> dict[str, torch.Tensor]:
    (file,) = (workspace / "exports" / name).glob("*.safetensors")
    loaded: dict[str, torch.Tensor] = load_file(file)
    return loaded


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """Largest difference of two models' weights."""
    assert first.keys() == second.keys()
    return max(float((first[name].float() - second[name].float()).abs().max()) for name in first)


@pytest.mark.parametrize(
    ("variant", "reference", "tolerance"),
    [
        ("zero1_tied", "plain_tied", 1e-5),
        ("zero2_tied", "plain_tied", 1e-5),
        ("zero3_tied", "plain_tied", 1e-5),
        ("zero2_recomputed_tied", "plain_tied", 1e-5),
        ("zero2_chunked_tied", "plain_tied", 1e-5),
        ("zero3_chunked_tied", "plain_tied", 1e-5),
        ("zero2_sdpa_tied", "plain_tied", 1e-5),
        ("zero2_offloaded_tied", "plain_tied", 1e-5),
        ("zero3_offloaded_tied", "plain_tied", 1e-5),
        ("zero2_lora_tied", "plain_lora_tied", 1e-5),
        ("zero3_lora_tied", "plain_lora_tied", 1e-5),
        ("zero2_lora_recomputed_tied", "plain_lora_tied", 1e-5),
        ("zero2_untied", "plain_untied", 1e-5),
        ("zero3_untied", "plain_untied", 1e-5),
        ("zero2_bfloat16_tied", "plain_bfloat16_tied", 3e-2),
        ("zero3_bfloat16_tied", "plain_bfloat16_tied", 3e-2),
    ],
)
def test_losses_and_gradients_equal_those_of_pytorch_alone(
    workspace: Path, variant: str, reference: str, tolerance: float
) -> None:
    expected, found = metrics(workspace, reference), metrics(workspace, variant)
    assert [row.step for row in found] == list(range(1, STEPS + 1))
    assert [row.packs for row in found] == [row.packs for row in expected]
    assert [row.loss for row in found] == pytest.approx([row.loss for row in expected], rel=tolerance)
    assert [row.grad_norm for row in found] == pytest.approx([row.grad_norm for row in expected], rel=10 * tolerance)


def test_recomputing_activations_changes_no_bit(workspace: Path) -> None:
    assert numbers(metrics(workspace, "zero2_recomputed_tied")) == numbers(metrics(workspace, "zero2_tied"))
    assert distance(weights(workspace, "zero2_recomputed_tied"), weights(workspace, "zero2_tied")) == 0.0


def test_the_stages_of_zero_differ_in_the_order_of_sums_only(workspace: Path) -> None:
    expected = metrics(workspace, "zero1_tied")
    for variant in ("zero2_tied", "zero3_tied"):
        found = metrics(workspace, variant)
        assert [row.loss for row in found] == pytest.approx([row.loss for row in expected], rel=1e-6), variant
        assert [row.grad_norm for row in found] == pytest.approx([row.grad_norm for row in expected], rel=1e-5), variant


@pytest.mark.parametrize("variant", CONTINUED)
def test_a_run_continued_from_its_half_equals_the_whole_one(workspace: Path, variant: str) -> None:
    expected = numbers(metrics(workspace, f"{variant}_tied"))
    assert numbers(metrics(workspace, f"{variant}_tied_continued_by_2")) == expected[HALF:]
    pair = [weights(workspace, f"{variant}_tied{suffix}") for suffix in ("", "_continued_by_2")]
    assert distance(*pair) == 0.0


@pytest.mark.parametrize("variant", WITH_ANOTHER_WORLD)
def test_one_worker_continues_what_two_began(workspace: Path, variant: str) -> None:
    expected = metrics(workspace, f"{variant}_tied")[HALF:]
    found = metrics(workspace, f"{variant}_tied_continued_by_1")
    assert [row.packs for row in found] == [row.packs for row in expected]
    assert [row.loss for row in found] == pytest.approx([row.loss for row in expected], rel=1e-5)
    assert [row.grad_norm for row in found] == pytest.approx([row.grad_norm for row in expected], rel=1e-4)
    assert {row.workers for row in found} == {1}

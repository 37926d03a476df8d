from pathlib import Path
from typing import Any

import pytest
import torch

from octupus.train.config import DataConfig, EngineConfig, OptimizerConfig, RunConfig, ScalingConfig, StageConfig
from octupus.train.engine.optimizer import parameter_groups
from octupus.train.engine.plain_engine import PlainEngine


def stage(**optimizer: Any) -> StageConfig:
    return StageConfig(
        run=RunConfig(name="run", storage="runs"),
        model=Path("model"),
        data=DataConfig(directory=Path("data"), packs_per_step=1),
        optimizer=OptimizerConfig(**({"lr": 1e-2, "min_lr": 0.0} | optimizer)),
        engine=EngineConfig(kind="plain"),
        scaling=ScalingConfig(workers=1),
    )


def network(dtype: torch.dtype) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.LayerNorm(16), torch.nn.Linear(16, 1)).to(dtype)


def loss(engine: PlainEngine, seed: int) -> torch.Tensor:
    dtype = next(engine.module.parameters()).dtype
    rows = torch.randn((4, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.float32).to(dtype)
    return engine.module(rows).float().square().mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_engine_goes_on_as_if_it_had_not_stopped(tmp_path: Path, dtype: torch.dtype) -> None:
    engine = PlainEngine(network(dtype), stage())
    for step in range(6):
        if step == 3:
            engine.save(tmp_path / "saved")
        engine.backward(loss(engine, step))
        engine.step(1e-2)
    again = PlainEngine(network(dtype), stage())
    again.load(tmp_path / "saved", world=1)
    for step in range(3, 6):
        again.backward(loss(again, step))
        again.step(1e-2)
    pairs = zip(engine.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_steps_that_bfloat16_would_round_away_add_up() -> None:
    model = torch.nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    with torch.no_grad():
        model.weight.fill_(1.0)
    engine = PlainEngine(model, stage(lr=1e-3))
    for _ in range(10):
        engine.backward(engine.module(torch.ones((1, 1), dtype=torch.bfloat16)).float().sum())
        engine.step(1e-3)
    assert model.weight.item() == pytest.approx(0.99, abs=4e-3)  # one step alone is less than half a bfloat16 unit


def test_the_norm_is_that_before_clipping_and_the_step_after_it() -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    engine = PlainEngine(model, stage(max_grad_norm=0.5))
    engine.backward(engine.module(torch.tensor([[3.0, 4.0]])).sum())
    assert engine.step(1e-2) == pytest.approx(5.0)


def test_only_matrices_decay() -> None:
    matrices, others = parameter_groups(network(torch.float32), OptimizerConfig(weight_decay=0.1))
    assert (matrices["weight_decay"], {parameter.ndim for parameter in matrices["params"]}) == (0.1, {2})
    assert (others["weight_decay"], {parameter.ndim for parameter in others["params"]}) == (0.0, {1})
    frozen = network(torch.float32).requires_grad_(False)
    frozen[0].weight.requires_grad_()
    (only,) = parameter_groups(frozen, OptimizerConfig(weight_decay=0.1))
    assert len(only["params"]) == 1

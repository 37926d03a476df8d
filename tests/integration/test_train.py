"""Real Ray Train and DeepSpeed on two CPU workers: one run that every test looks at (kills: test_train_failures.py)."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from octupus.chat.registry import model_chat
from octupus.errors import TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
)
from octupus.train.launch import TrainResult, train
from octupus.train.model.directory import read_record
from octupus.train.packs.prepared import read_prepared
from octupus.train.schedule import cosine_with_min_lr
from octupus.train.stage import pack_plan
from octupus.train.watch.metrics import StepMetrics, read_metrics
from tests.train.tiny_model import write_workspace

STEPS = 60
CHECKPOINT_EVERY = 10

pytestmark = pytest.mark.usefixtures("private_ray")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("train")
    write_workspace(directory)
    return directory


def stage(workspace: Path, name: str, **changes: Any) -> StageConfig:
    return StageConfig(
        run=RunConfig(name=name, storage=str(workspace / "runs")),
        model=workspace / "model",
        data=DataConfig(directory=workspace / "data", packs_per_step=4, steps=STEPS, seed=3),
        optimizer=OptimizerConfig(lr=3e-3, min_lr=3e-4, warmup_steps=3, weight_decay=0.01),
        scaling=ScalingConfig(workers=2, max_failures=1),
        checkpoint=CheckpointConfig(every_steps=CHECKPOINT_EVERY, keep=2),
        evaluation=EvaluationConfig(directory=workspace / "data", every_steps=25, packs=7),
        export=workspace / "exports" / name,
    ).model_copy(update=changes)


@pytest.fixture(scope="module")
def uninterrupted(workspace: Path) -> tuple[StageConfig, TrainResult]:
    config = stage(workspace, "uninterrupted")
    return config, train(config)


def metrics_of(config: StageConfig) -> list[StepMetrics]:
    return read_metrics(Storage(config.run.location))


def test_the_loss_falls_and_every_step_is_recorded(uninterrupted: tuple[StageConfig, TrainResult]) -> None:
    config, result = uninterrupted
    metrics = metrics_of(config)
    assert [row.step for row in metrics] == list(range(1, STEPS + 1))
    assert (result.first_loss, result.last_loss, result.steps) == (metrics[0].loss, metrics[-1].loss, STEPS)
    assert result.last_loss < 0.5 * result.first_loss
    plan = pack_plan(config, read_prepared(config.data.directory))
    assert [row.packs for row in metrics] == [plan.pack_ids(step) for step in range(STEPS)]
    assert [row.lr for row in metrics] == [cosine_with_min_lr(step, STEPS, 3e-3, 3e-4, 3) for step in range(STEPS)]
    assert [row.epoch for row in metrics] == pytest.approx([row.step * 4 / 20 for row in metrics])
    for row in metrics:
        parts = row.data_s + row.forward_s + row.backward_s + row.optimizer_s + row.save_s
        assert 0 < parts <= row.step_s
        assert 0.4 < row.fill <= 1


def test_held_out_packs_are_looked_at_in_time(uninterrupted: tuple[StageConfig, TrainResult]) -> None:
    config, _ = uninterrupted
    looked = {row.step: row.evaluation_loss for row in metrics_of(config) if row.evaluation_loss is not None}
    assert list(looked) == [25, 50, STEPS]
    assert looked[STEPS] < looked[25]


def test_a_person_finds_curves_and_the_configuration(uninterrupted: tuple[StageConfig, TrainResult]) -> None:
    config, result = uninterrupted
    run = Path(config.run.location)
    assert Path(result.report) == run / "report.html"
    assert Path(result.report).read_text().count("<svg") >= 3
    assert '"zero_stage": 2' in (run / "run.json").read_text()
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))


def test_checkpoints_have_their_layout_and_the_newest_are_kept(
    uninterrupted: tuple[StageConfig, TrainResult],
) -> None:
    run = Path(uninterrupted[0].run.location)
    kept = sorted(path.name for path in run.glob("step_*"))
    assert kept == [f"step_{STEPS - CHECKPOINT_EVERY:08d}", f"step_{STEPS:08d}"]
    files = {path.name for path in (run / kept[-1]).iterdir()}
    assert files == {"state.json", "share_0.json", "share_1.json", "rng_0.pt", "rng_1.pt", "ds"}


def test_the_export_is_a_model_that_talks(uninterrupted: tuple[StageConfig, TrainResult]) -> None:
    config, result = uninterrupted
    assert result.export is not None
    record = read_record(result.export)
    assert [entry["job"] for entry in record["lineage"]] == ["edit_tokenizer", "train"]
    assert (record["dialect"], record["lineage"][-1]["steps"]) == ("octupus", STEPS)
    assert model_chat(result.export).tokenizer.sha256 == model_chat(config.model).tokenizer.sha256
    model = AutoModelForCausalLM.from_pretrained(result.export)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.generation_config.eos_token_id == model_chat(result.export).tokenizer.end_id
    tokenizer = AutoTokenizer.from_pretrained(result.export)
    messages = [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": "what is the colour of thing 5?"},
    ]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, max_new_tokens=24, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "is the colour" in tokenizer.decode(answer)


def test_a_finished_run_is_reused(uninterrupted: tuple[StageConfig, TrainResult]) -> None:
    config, result = uninterrupted
    again = train(config)
    assert again.reused
    assert (again.export, again.last_loss, again.steps) == (result.export, result.last_loss, result.steps)
    assert again.seconds < 5


def test_a_changed_seed_does_not_continue_an_old_run(uninterrupted: tuple[StageConfig, TrainResult]) -> None:
    config, _ = uninterrupted
    data = config.data.model_copy(update={"seed": 4})
    changed = config.model_copy(update={"data": data, "export": config.model.with_name("elsewhere")})
    with pytest.raises(TrainingError, match=rf"step {STEPS} was written with data\.seed 3, but this run has 4"):
        train(changed)

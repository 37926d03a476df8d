import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.errors import ConfigError
from octupus.train.config import (
    DataConfig,
    EngineConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
    WorkerRange,
)
from octupus.train.engine.deepspeed_config import (
    KNOWN_KEYS,
    OTHER_NAMES,
    REFUSED,
    check_deepspeed_json,
    decided,
    deepspeed_config,
    read_deepspeed_json,
)

PARAMETERS = 1_000_000
HIDDEN_SIZE = 64


def stage(file: Path | None = None, workers: Any = 2, packs: int = 8, **engine: Any) -> StageConfig:
    return StageConfig(
        run=RunConfig(name="run", storage="runs"),
        model=Path("model"),
        data=DataConfig(directory=Path("data"), packs_per_step=packs),
        optimizer=OptimizerConfig(lr=3e-5, max_grad_norm=3.0, weight_decay=0.1),
        scaling=ScalingConfig(workers=workers),
        engine=EngineConfig.model_validate({"dtype": "bfloat16", **engine, "deepspeed_config": file}),
    )


def write(directory: Path, content: Any) -> Path:
    file = directory / "deepspeed.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deepspeed")


@st.composite
def engines(draw: st.DrawFn) -> dict[str, Any]:
    zero_stage = draw(st.sampled_from([1, 2, 3]))
    places = ["none", "cpu", "nvme"]
    return {
        "zero_stage": zero_stage,
        "dtype": draw(st.sampled_from(["float32", "bfloat16"])),
        "offload_optimizer": draw(st.sampled_from(places if zero_stage == 3 else places[:2])),
        "offload_parameters": draw(st.sampled_from(places if zero_stage == 3 else places[:1])),
        "offload_directory": "/nvme",
    }


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def nested(values: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        section = result
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return result


def test_what_is_generated_for_a_small_model() -> None:
    assert deepspeed_config(stage(packs=6), 2, 123) == {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 3,
        "managed_gradient_accumulation": False,
        "gradient_clipping": 3.0,
        "bf16": {"enabled": True},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": {
            "stage": 2,
            "overlap_comm": False,
            "contiguous_gradients": True,
            "reduce_bucket_size": 123,
        },
        "steps_per_print": None,
        "wall_clock_breakdown": False,
    }


def test_a_share_that_is_not_whole_is_rounded_up() -> None:
    assert deepspeed_config(stage(workers="auto"), 3, PARAMETERS)["gradient_accumulation_steps"] == 3


def test_stage_3_with_offload() -> None:
    config = stage(zero_stage=3, offload_optimizer="cpu", offload_parameters="nvme", offload_directory="/nvme")
    generated = deepspeed_config(config, 2, 7_000_000_000, hidden_size=4096)
    assert generated["zero_optimization"] == {
        "stage": 3,
        "overlap_comm": False,
        "contiguous_gradients": True,
        "reduce_bucket_size": 50_000_000,
        "stage3_gather_16bit_weights_on_model_save": True,
        "stage3_prefetch_bucket_size": 15_099_494,
        "stage3_param_persistence_threshold": 40_960,
        "offload_optimizer": {"device": "cpu", "pin_memory": True},
        "offload_param": {"device": "nvme", "pin_memory": True, "nvme_path": "/nvme"},
    }
    assert generated["aio"]["overlap_events"] is True


@given(engine=engines(), data=st.data())
def test_repeating_what_is_generated_changes_nothing(
    scratch: Path, engine: dict[str, Any], data: st.DataObject
) -> None:
    generated = deepspeed_config(stage(**engine), 2, PARAMETERS, HIDDEN_SIZE)
    chosen = data.draw(st.lists(st.sampled_from(list(leaves(generated))), unique_by=lambda leaf: leaf[0]))
    repeated = {name: data.draw(st.sampled_from([value, "auto"])) for name, value in chosen}
    config = stage(write(scratch, nested(repeated)), **engine)
    check_deepspeed_json(config)
    assert deepspeed_config(config, 2, PARAMETERS, HIDDEN_SIZE) == generated


def changed(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return not value
    return [0.5, *value[1:]] if isinstance(value, list) else "other" if isinstance(value, str) else value + 1


def left_to_the_file(key: str, zero_stage: int) -> bool:
    """Whether a generated value is only a proposal."""
    last = key.rpartition(".")[2]
    return (
        last in ("reduce_bucket_size", "contiguous_gradients", "pin_memory", "steps_per_print", "wall_clock_breakdown")
        or last.startswith("stage3_")
        or key.startswith(("aio.", "data_types."))
        or (last == "overlap_comm" and zero_stage == 2)
    )


@given(engine=engines(), data=st.data())
def test_a_changed_value_is_refused_by_name_or_wins(scratch: Path, engine: dict[str, Any], data: st.DataObject) -> None:
    generated = dict(leaves(deepspeed_config(stage(**engine), 2, PARAMETERS, HIDDEN_SIZE)))
    ours = decided(stage(**engine), 2)
    values = generated | {key: value.value for key, value in ours.items()}
    key = data.draw(st.sampled_from(sorted(values)))
    file = write(scratch, nested({key: changed(values[key])}))
    config = stage(file, **engine)
    if left_to_the_file(key, engine["zero_stage"]):
        check_deepspeed_json(config)
        merged = deepspeed_config(config, 2, PARAMETERS, HIDDEN_SIZE)
        assert dict(leaves(merged)) == generated | {key: changed(values[key])}
        return
    with pytest.raises(ConfigError, match="contradicts") as refusal:
        check_deepspeed_json(config)
    shown = str(refusal.value)
    assert shown.startswith(f"{key} ")
    assert ours[key].by in shown
    assert str(file) in shown


def test_both_values_and_both_names_are_said(tmp_path: Path) -> None:
    file = write(tmp_path, {"zero_optimization": {"stage": 3}})
    with pytest.raises(
        ConfigError, match=rf'^zero_optimization.stage 3 in {file} contradicts engine.zero_stage 2; .* "auto"$'
    ):
        check_deepspeed_json(stage(file))


@pytest.mark.parametrize("enabled", [True, "auto"])
def test_the_file_of_an_ordinary_trainer_project_is_accepted(tmp_path: Path, enabled: Any) -> None:
    zero = {
        "stage": 2,
        "allgather_partitions": True,
        "allgather_bucket_size": 3e8,
        "overlap_comm": True,
        "reduce_scatter": True,
        "reduce_bucket_size": 4e8,
        "contiguous_gradients": True,
        "round_robin_gradients": True,
    }
    file = write(
        tmp_path,
        {
            "train_batch_size": "auto",
            "train_micro_batch_size_per_gpu": "auto",
            "gradient_accumulation_steps": "auto",
            "gradient_clipping": "auto",
            "zero_allow_untested_optimizer": True,
            "fp16": {"enabled": "auto", "loss_scale": 0, "initial_scale_power": 12, "min_loss_scale": 2},
            "bf16": {"enabled": enabled},
            "optimizer": {
                "type": "AdamW",
                "params": {"lr": "auto", "betas": "auto", "eps": "auto", "weight_decay": "auto"},
            },
            "zero_optimization": zero,
        },
    )
    config = stage(file)
    check_deepspeed_json(config)
    generated = deepspeed_config(stage(), 2, PARAMETERS)
    assert deepspeed_config(config, 2, PARAMETERS) == generated | {"zero_optimization": zero}


def test_an_optimizer_that_says_what_ours_does_is_left_out(tmp_path: Path) -> None:
    said = {"lr": 3e-5, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.1, "adam_w_mode": True}
    config = stage(write(tmp_path, {"optimizer": {"type": "Adam", "params": said}}))
    assert deepspeed_config(config, 2, PARAMETERS) == deepspeed_config(stage(), 2, PARAMETERS)


def test_what_waits_for_the_cluster_is_checked_in_the_worker(tmp_path: Path) -> None:
    file = write(tmp_path, {"gradient_accumulation_steps": 4, "bf16": {"enabled": True}})
    for workers in ("auto", WorkerRange(min=1, max=4)):
        undecided = stage(file, workers=workers, dtype="auto")
        check_deepspeed_json(undecided)
        resolved = stage(file, workers=workers)
        assert deepspeed_config(resolved, 2, PARAMETERS)["gradient_accumulation_steps"] == 4
        with pytest.raises(ConfigError, match=r"gradient_accumulation_steps 4 .* data.packs_per_step 8 over 4 workers"):
            deepspeed_config(resolved, 4, PARAMETERS)
        with pytest.raises(ConfigError, match=r"bf16.enabled true .* contradicts engine.dtype float32"):
            deepspeed_config(stage(file, workers=workers, dtype="float32"), 2, PARAMETERS)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{\n  "bf16": {},\n  # no\n}', r"deepspeed.json:3: not valid JSON: .*JSON has no comments"),
        ('["stage", 2]', "must hold an object of DeepSpeed keys, not a list"),
        ('{"zero_optimization": {"stage": 2, "stage": 2}}', "key 'stage' is written twice"),
        ({"bf16": {"enabled": True}, "bfloat16": {"enabled": True}}, "bf16 is written twice .* as bfloat16"),
        ({"gradient_cliping": 1.0}, "unknown key 'gradient_cliping' in .*; did you mean 'gradient_clipping'"),
        ({"zero_optimization": {"stages": 2}}, r"'zero_optimization.stages' in .*; did you mean 'zero_optimization.st"),
        (
            {"zero_optimization": {"offload_optimizer": {"devise": "cpu"}}},
            "did you mean 'zero_optimization.offload_optimizer.device'",
        ),
        ({"optimizer": {"params": {"momentum": 0.9}}}, r"unknown key 'optimizer.params.momentum' in .*known keys: "),
        ({"optimizer": {"type": "Lion"}}, "optimizer.type Lion in .* contradicts the optimizer, which is AdamW"),
        ({"scheduler": {"type": "WarmupLR"}}, r"scheduler in .* is refused: the schedule is optimizer.lr, "),
        ({"amp": {"enabled": False}}, "amp in .* DeepSpeed has removed it"),
        ({"zero_optimization": {"cpu_offload": True}}, r"cpu_offload .* use engine.offload_optimizer"),
        ({"zero_optimization": True}, "zero_optimization in .* must be an object of keys, not true"),
        ({"zero_optimization": {"offload_param": None}}, "offload_param in .* must be an object of keys, not null"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check_deepspeed_json(stage(write(tmp_path, content)))


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigError, match="binary is not JSON"):
        read_deepspeed_json(tmp_path / "binary")
    with pytest.raises(ConfigError, match=r"engine.deepspeed_config: file .*missing does not exist"):
        read_deepspeed_json(tmp_path / "missing")


def test_the_plain_engine_has_no_use_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not used by engine.kind plain"):
        check_deepspeed_json(stage(write(tmp_path, {}), kind="plain", workers=1))


def test_second_names_reach_the_same_value(tmp_path: Path) -> None:
    file = write(tmp_path, {"bfloat16": {"enabled": True}, "zero_optimization": {"prefetch_bucket_size": 5}})
    merged = deepspeed_config(stage(file, zero_stage=3), 2, PARAMETERS, HIDDEN_SIZE)
    assert merged["zero_optimization"]["stage3_prefetch_bucket_size"] == 5
    assert not {"bfloat16", "prefetch_bucket_size"} & ({*merged} | {*merged["zero_optimization"]})


@pytest.fixture(scope="module")
def on_cpu() -> Iterator[None]:
    """DeepSpeed, which on import picks its accelerator for the whole process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DS_ACCELERATOR", "cpu")
        pytest.importorskip("deepspeed")
        yield


@pytest.mark.usefixtures("on_cpu")
@given(engine=engines())
@settings(max_examples=20)
def test_deepspeed_takes_what_is_generated(engine: dict[str, Any]) -> None:
    from deepspeed.runtime.config import DeepSpeedConfig

    read = DeepSpeedConfig(deepspeed_config(stage(workers=1, **engine), 1, PARAMETERS, HIDDEN_SIZE))
    assert read.zero_optimization_stage == engine["zero_stage"]
    assert read.zero_config.overlap_comm is False
    assert read.bfloat16_config.enabled == (engine["dtype"] == "bfloat16")
    for found, place in (
        (read.zero_config.offload_optimizer, engine["offload_optimizer"]),
        (read.zero_config.offload_param, engine["offload_parameters"]),
    ):
        assert (found.device if found else "none") == place


class Recording(dict[str, Any]):
    """A configuration that remembers which keys were looked up."""

    asked: set[str]

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def keys(self) -> Any:
        return self

    def __copy__(self) -> "Recording":
        copy = Recording(self)
        copy.asked = self.asked
        return copy


@pytest.mark.usefixtures("on_cpu")
def test_the_known_keys_are_those_that_deepspeed_reads() -> None:
    from deepspeed.runtime.config import DeepSpeedConfig

    given_keys = Recording({"train_batch_size": 1, "optimizer": {"type": "Adam"}, "scheduler": {"type": "OneCycle"}})
    given_keys.asked = set()
    DeepSpeedConfig(given_keys)
    removed = {key for key in REFUSED if key not in KNOWN_KEYS[""] and "." not in key}
    read_elsewhere = {"data_parallel_size", "sequence_parallel_size"}  # in deepspeed.initialize, with a group joined
    assert given_keys.asked | read_elsewhere == {*KNOWN_KEYS[""]} | removed


@pytest.mark.usefixtures("on_cpu")
def test_the_known_keys_of_sections_are_those_of_deepspeeds_models() -> None:
    from deepspeed.runtime.precision_config import DeepSpeedBF16Config, DeepSpeedFP16Config
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
    from deepspeed.runtime.zero.offload_config import (
        DeepSpeedZeroOffloadOptimizerConfig,
        DeepSpeedZeroOffloadParamConfig,
    )

    models = {
        "zero_optimization": DeepSpeedZeroConfig,
        "zero_optimization.offload_optimizer": DeepSpeedZeroOffloadOptimizerConfig,
        "zero_optimization.offload_param": DeepSpeedZeroOffloadParamConfig,
        "bf16": DeepSpeedBF16Config,
        "fp16": DeepSpeedFP16Config,
    }
    for section, model in models.items():
        fields = model.model_fields
        assert sorted(KNOWN_KEYS[section]) == sorted(field.alias or name for name, field in fields.items())
        second = {f"{section}.{name}": f"{section}.{field.alias}" for name, field in fields.items() if field.alias}
        assert second == {name: first for name, first in OTHER_NAMES.items() if name.startswith(f"{section}.")}

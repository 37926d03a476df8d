import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from octupus.data.manifest import file_sha256
from octupus.errors import ConfigError, ManifestError, OutputError, VocabularyError
from octupus.train.config import DataConfig, EngineConfig, EvaluationConfig, RunConfig, StageConfig
from octupus.train.inputs import WEIGHTS, check_inputs, check_output
from octupus.train.packs.prepared import read_prepared


@pytest.fixture
def stage(tmp_path: Path, model_directory: Path, prepared_directory: Path) -> StageConfig:
    return StageConfig(
        run=RunConfig(name="run", storage=str(tmp_path / "runs")),
        model=model_directory,
        data=DataConfig(directory=prepared_directory, packs_per_step=4),
        export=tmp_path / "models" / "export",
    )


def copy_model(stage: StageConfig, directory: Path) -> StageConfig:
    shutil.copytree(stage.model, directory)
    return stage.model_copy(update={"model": directory})


def edit_manifest(stage: StageConfig, directory: Path, **changes: Any) -> StageConfig:
    shutil.copytree(stage.data.directory, directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps(manifest | changes))
    return stage.model_copy(update={"data": stage.data.model_copy(update={"directory": directory})})


def edit_settings(model: Path, **changes: Any) -> None:
    file = model / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_sound_inputs_pass(stage: StageConfig) -> None:
    with_evaluation = stage.model_copy(update={"evaluation": EvaluationConfig(directory=stage.data.directory)})
    assert check_inputs(with_evaluation) == read_prepared(stage.data.directory)


def test_checking_loads_neither_ray_nor_torch() -> None:
    heavy = "{'ray', 'torch', 'transformers', 'deepspeed'} & set(sys.modules)"
    code = f"import sys, octupus.train.inputs; sys.exit(str({heavy}) if {heavy} else 0)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_model_without_control_tokens_is_refused(stage: StageConfig, base_directory: Path) -> None:
    with pytest.raises(VocabularyError, match=r"lacks the control tokens <\|SYSTEM\|>"):
        check_inputs(stage.model_copy(update={"model": base_directory}))


def test_a_model_that_is_not_there_or_a_file(stage: StageConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing does not exist"):
        check_inputs(stage.model_copy(update={"model": tmp_path / "missing"}))
    with pytest.raises(ConfigError, match="is a file; give the directory"):
        check_inputs(stage.model_copy(update={"model": stage.model / "config.json"}))


def remove(name: str) -> Callable[[Path], object]:
    return lambda model: (model / name).unlink()


def write(name: str, content: str) -> Callable[[Path], object]:
    return lambda model: (model / name).write_text(content)


def cut_weights(model: Path) -> None:
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def index_missing_shards(model: Path) -> None:
    (model / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("spoil", "error", "complaint"),
    [
        (remove("config.json"), ConfigError, "has no config.json"),
        (write("config.json", "{"), ConfigError, "config.json is not valid JSON"),
        (write("config.json", "[]"), ConfigError, "config.json must hold an object, not a list"),
        (remove("model.safetensors"), ConfigError, f"has no weights; it must hold one of {', '.join(WEIGHTS)}"),
        (cut_weights, ConfigError, "model.safetensors is damaged"),
        (write("model.safetensors", ""), ConfigError, "model.safetensors is damaged"),
        (index_missing_shards, ConfigError, "lacks model-00001-of-00002.safetensors, which model.safetensors.index.js"),
        (remove("tokenizer.json"), VocabularyError, "has no tokenizer.json"),
        (write("adapter_config.json", "{}"), ConfigError, "merge_lora.py --adapter .*/model --output"),
        (lambda model: edit_settings(model, vocab_size=300), VocabularyError, "has 300 rows .* files of two models"),
        (
            lambda model: edit_settings(model, text_config={"vocab_size": 300}),
            VocabularyError,
            "has 300 rows .* files of two models",
        ),
    ],
)
def test_a_directory_that_is_no_whole_model_is_refused(
    stage: StageConfig, tmp_path: Path, spoil: Callable[[Path], object], error: type[Exception], complaint: str
) -> None:
    spoiled = copy_model(stage, tmp_path / "model")
    spoil(spoiled.model)
    with pytest.raises(error, match=complaint):
        check_inputs(spoiled)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model-00001-of-00001.safetensors"])
def test_weights_may_lie_elsewhere(stage: StageConfig, tmp_path: Path, name: str) -> None:
    renamed = copy_model(stage, tmp_path / "model")
    (renamed.model / "model.safetensors").rename(renamed.model / name)
    if name.endswith(".safetensors"):
        index = {"weight_map": {"model.embed_tokens.weight": name}}
        (renamed.model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert check_inputs(renamed).packs == 20


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tokenizer_sha256": "0" * 64}, "another tokenizer"),
        ({"dialect": "hermes"}, "prepared in the hermes dialect"),
        ({"packs": 0}, "holds no packs"),
        ({"packs": 21}, "hold 20 packs, but the manifest says 21"),
        ({"trained_tokens": 0}, "holds no token to train"),
        ({"token_budget": 7}, r"pack 0 of .* has \d+ tokens, but the manifest's token_budget is 7"),
        ({"format": "octupus-packs/9"}, "octupus-packs"),
    ],
)
def test_unfitting_data_is_refused(stage: StageConfig, tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    unfitting = edit_manifest(stage, tmp_path / "data", **changes)
    with pytest.raises(ManifestError, match=complaint):
        check_inputs(unfitting)
    evaluation = EvaluationConfig(directory=unfitting.data.directory)
    with pytest.raises(ManifestError, match=complaint):
        check_inputs(stage.model_copy(update={"evaluation": evaluation}))


def test_data_without_a_manifest_is_refused(stage: StageConfig, tmp_path: Path) -> None:
    unfinished = edit_manifest(stage, tmp_path / "data")
    (unfinished.data.directory / "manifest.json").unlink()
    with pytest.raises(ManifestError, match="holds no finished prepared data"):
        check_inputs(unfinished)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda content: content + b"x", "packs-00001.parquet is damaged"),
        (lambda content: content[:-1], "packs-00001.parquet is damaged"),
        (lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:], "packs-00001.parquet is damaged"),
        (None, "packs-00001.parquet is missing"),
    ],
    ids=["longer", "truncated", "one bit", "missing"],
)
def test_a_damaged_shard_is_refused(
    stage: StageConfig, tmp_path: Path, spoil: Callable[[bytes], bytes] | None, complaint: str
) -> None:
    damaged = edit_manifest(stage, tmp_path / "data")
    shard = damaged.data.directory / "packs-00001.parquet"
    content = shard.read_bytes()
    shard.unlink()
    if spoil is not None:
        shard.write_bytes(spoil(content))
    with pytest.raises(ManifestError, match=complaint):
        check_inputs(damaged)


def test_the_first_document_that_the_model_cannot_read_is_named(stage: StageConfig, tmp_path: Path) -> None:
    data = edit_manifest(stage, tmp_path / "data")
    file = data.data.directory / "packs-00001.parquet"
    table = pq.read_table(file)
    lengths = table.column("lengths").to_pylist()
    lengths[3], lengths[5] = [100, 41, 3], [200]
    position = table.schema.get_field_index("lengths")
    column = pa.array(lengths, table.schema.field(position).type)
    pq.write_table(table.set_column(position, "lengths", column), file)
    manifest = json.loads((data.data.directory / "manifest.json").read_text())
    manifest["shards"][1]["sha256"] = file_sha256(file)
    (data.data.directory / "manifest.json").write_text(json.dumps(manifest))
    short = copy_model(data, tmp_path / "model")
    for positions, complaint in ((99, "pack 13 .* document of 100 tokens, but .* at most 99"), (100, "pack 15 .* 200")):
        edit_settings(short.model, max_position_embeddings=positions)
        with pytest.raises(ManifestError, match=complaint):
            check_inputs(short)
    edit_settings(short.model, max_position_embeddings=200)
    assert check_inputs(short).packs == 20


def test_a_deepspeed_file_is_checked_too(stage: StageConfig, tmp_path: Path) -> None:
    (tmp_path / "deepspeed.json").write_text('{"zero_optimization": {"stage": 3}}')
    engine = EngineConfig(deepspeed_config=tmp_path / "deepspeed.json")
    with pytest.raises(ConfigError, match=r"contradicts engine.zero_stage 2"):
        check_inputs(stage.model_copy(update={"engine": engine}))


def test_checking_places_of_output_makes_nothing(stage: StageConfig, tmp_path: Path) -> None:
    engine = EngineConfig(zero_stage=3, offload_parameters="nvme", offload_directory=tmp_path)
    check_output(stage.model_copy(update={"engine": engine}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"run": {"name": "run", "storage": "HERE/file"}}, r"run.storage: .*/file/run .* since .*/file is a file"),
        ({"run": {"name": "file", "storage": "HERE"}}, r"run.storage: .*/file .* since .*/file is a file"),
        ({"run": {"name": "run", "storage": "/proc/runs"}}, r"run.storage: /proc/runs/run cannot be written"),
        ({"run": {"name": "run", "storage": "nowhere://runs"}}, r"cannot use nowhere://runs/run as storage"),
        ({"export": "HERE/file/model"}, r"export: .*/file cannot be a directory"),
        ({"export": "/proc/models/export"}, r"export: /proc/models cannot be written"),
        (
            {"engine": {"zero_stage": 3, "offload_optimizer": "nvme", "offload_directory": "HERE/disk"}},
            r"engine.offload_directory .*/disk is no directory; make it",
        ),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(
    stage: StageConfig, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    (tmp_path / "file").touch()
    here = json.loads(json.dumps(changes).replace("HERE", str(tmp_path)))
    config = StageConfig.model_validate(stage.model_dump(mode="json") | here)
    with pytest.raises(OutputError, match=complaint):
        check_output(config)

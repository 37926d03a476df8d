"""Adapters in a directory: found, refused, and copied when they change."""

import json
from pathlib import Path
from typing import Any

import pytest

from octupus.errors import RequestError
from octupus.serve.engine.adapters import Adapters, AdapterVersions

GOOD = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "bias": "none"}


def write(directory: Path, name: str, weights: bytes = b"w", **changes: Any) -> Path:
    folder = directory / name
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(GOOD | changes))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def test_names_are_looked_up_at_each_use(tmp_path: Path) -> None:
    adapters = Adapters(tmp_path)
    assert adapters.names() == []
    folder = write(tmp_path, "songs")
    write(tmp_path, "waste")
    (tmp_path / "empty").mkdir()
    write(tmp_path, ".hidden")
    assert adapters.names() == ["songs", "waste"]
    assert adapters.path("songs") == folder
    assert Adapters(None).names() == Adapters(tmp_path / "missing").names() == []


@pytest.mark.parametrize(
    "name", ["other", "", ".", "..", "../outside", "sub/../songs", "songs/", "/etc", ".hidden", "a\0b"]
)
def test_an_unknown_name_is_not_found_and_leads_nowhere(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    write(tmp_path, "outside")
    write(inside, "songs")
    write(inside, ".hidden")
    with pytest.raises(RequestError, match="adapters served: 'songs'") as caught:
        Adapters(inside).path(name)
    assert (caught.value.status, caught.value.code, caught.value.parameter) == (404, "model_not_found", "model")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r": 65}, "rank is 65, and adapters.max_lora_rank is 64"),
        ({"r": None}, "not a positive number"),
        ({"modules_to_save": ["lm_head"]}, "whole modules.*jobs/merge_lora.py"),
        ({"trainable_token_indices": {"embed_tokens": [3]}}, "control tokens.*jobs/merge_lora.py"),
        ({"use_dora": True}, "DoRA"),
        ({"rank_pattern": {"q_proj": 4}}, "differ in rank"),
        ({"bias": "all"}, "biases"),
        ({"peft_type": "IA3"}, "type IA3"),
    ],
)
def test_what_vllm_cannot_apply_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, "songs", **changes)
    with pytest.raises(RequestError, match=message) as caught:
        Adapters(tmp_path, 64).path("songs")
    assert caught.value.status == 400


def test_broken_files_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, "songs")
    (folder / "adapter_config.json").write_text("{")
    with pytest.raises(RequestError, match="cannot be read"):
        Adapters(tmp_path).path("songs")
    (folder / "adapter_config.json").write_text("[]")
    with pytest.raises(RequestError, match="no object"):
        Adapters(tmp_path).path("songs")
    (write(tmp_path, "songs") / "adapter_model.safetensors").unlink()
    with pytest.raises(RequestError, match="neither"):
        Adapters(tmp_path).path("songs")


def test_changed_files_get_a_new_identifier_name_and_copy(tmp_path: Path) -> None:
    directory, copies = tmp_path / "adapters", tmp_path / "copies"
    directory.mkdir()
    folder = write(directory, "songs", b"one")
    write(directory, "waste")
    versions = AdapterVersions(Adapters(directory), copies)
    first = versions.version("songs")
    assert versions.version("songs") is first
    write(directory, "songs", b"other")
    second = versions.version("songs")
    waste = versions.version("waste")
    assert len({version.identifier for version in (first, second, waste)}) == 3
    assert len({version.name for version in (first, second, waste)}) == 3
    assert (first.path / "adapter_model.safetensors").read_bytes() == b"one"
    for file in folder.iterdir():
        file.unlink()
    assert (second.path / "adapter_model.safetensors").read_bytes() == b"other"
    with pytest.raises(RequestError):
        versions.version("songs")

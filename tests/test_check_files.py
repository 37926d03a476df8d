"""Every YAML file of the project is right, and no typo in one of its keys passes."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from octupus.check_files import check_file, check_files, check_values
from octupus.config import read_yaml
from octupus.errors import ConfigError

PROJECT = Path(__file__).parents[1]
FILES = sorted(
    path for directory in ("jobs", "serve_configs", "clusters") for path in (PROJECT / directory).rglob("*.yaml")
)

# Below these, the keys are names that a person chooses, or whose list is another project's and open.
FREE = {
    "available_node_types": "names of node types",
    "candidates": "names of candidates",
    "file_mounts": "paths",
    "env_vars": "names of environment variables",
    "envs": "names of environment variables",
    "secrets": "names of environment variables",
    "labels": "names of Kubernetes labels",
    "annotations": "names of Kubernetes annotations",
    "nodeSelector": "names of Kubernetes labels",
    "node_selector": "names of Kubernetes labels",
    "accelerators": "names of GPUs",
    "engine_kwargs": "arguments of vLLM, which refuses unknown ones itself when the engine is configured",
}
EMBEDDED = ("serveConfigV2", "runtimeEnvYAML")  # YAML in a string
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

Place = tuple[str | int, ...]


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_file_is_right(file: Path) -> None:
    check_file(file)


def test_a_typo_in_any_key_is_refused_and_the_right_key_is_named() -> None:
    tried, passed, unnamed = 0, [], []
    for file in FILES:
        values = _opened(read_yaml(file))
        for place in _once_a_list(_fixed_keys(values)):
            key = str(place[-1])
            typo = _typo(key, random.Random(f"{file.name} {place}"))  # of its own, whatever other files hold
            if typo in _at(values, place[:-1]):
                continue  # another key of this very mapping
            tried += 1
            message = _message(_closed(_mistyped(values, place, typo)), file)
            if message is None:
                passed.append((file.name, place, typo))
            elif not re.search(rf"did you mean '([^']*[.])?{re.escape(key)}'", message):
                unnamed.append((file.name, place, typo, message))
    assert tried >= 500
    assert passed == []
    assert len(unnamed) <= 0.05 * tried, unnamed


def test_the_sweep_reaches_every_kind_of_file() -> None:
    reached = {file.relative_to(PROJECT).parts[:2] for file in FILES if any(True for _ in _fixed_keys(read_yaml(file)))}
    assert {("clusters", "ray_up"), ("clusters", "kuberay"), ("clusters", "sky")} <= reached
    assert {("clusters", "runtime_env.yaml"), ("serve_configs", "oai.yaml"), ("jobs", "train_stg1.yaml")} <= reached


def test_what_no_one_reads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shopping.yaml").write_text("milk: 2\nbread: 1\n")
    with pytest.raises(ConfigError, match="no reader is known"):
        check_file(tmp_path / "shopping.yaml")


def test_a_wrong_file_is_counted_and_the_others_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runtime_env.yaml").write_text("working_dirr: .\n")
    (tmp_path / "merge_lora.yaml").write_text("adapter: a\noutput: b\n")
    assert check_files([tmp_path]) == 2
    printed = capsys.readouterr().out
    assert "did you mean 'working_dir'?" in printed
    assert f"right  {tmp_path / 'merge_lora.yaml'}" in printed


def test_arguments_inside_a_ray_service_are_checked(tmp_path: Path) -> None:
    text = (PROJECT / "clusters/kuberay/rayservice.yaml").read_text()
    assert "tensor_parallel_size" in text
    (tmp_path / "service.yaml").write_text(text.replace("tensor_parallel_size", "tensor_paralel_size"))
    with pytest.raises(ConfigError, match=r"did you mean '.*tensor_parallel_size'"):
        check_file(tmp_path / "service.yaml")


def _message(values: dict[str, Any], file: Path) -> str | None:
    try:
        check_values(values, file)
    except ConfigError as error:
        return str(error)
    return None


def _fixed_keys(value: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict):
        free = bool(place) and place[-1] in FREE
        for key, inner in value.items():
            if not free:
                yield (*place, key)
            yield from _fixed_keys(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _fixed_keys(inner, (*place, index))


def _once_a_list(places: Iterator[Place]) -> list[Place]:
    """Of the entries of a list, which are all checked alike, each key once."""
    return list({tuple(step for step in place if not isinstance(step, int)): place for place in places}.values())


def _typo(key: str, chance: random.Random) -> str:
    """`key` with one character deleted, inserted, replaced, or transposed with the next."""
    while True:
        position, letter = chance.randrange(len(key)), chance.choice(LETTERS)
        before, here, after = key[:position], key[position], key[position + 1 :]
        typo = chance.choice(
            (
                before + after,
                before + letter + here + after,
                before + letter + after,
                before + after[:1] + here + after[1:],
            )
        )
        if typo not in ("", key):
            return typo


def _at(values: Any, place: Place) -> Any:
    for step in place:
        values = values[step]
    return values


def _mistyped(values: dict[str, Any], place: Place, typo: str) -> dict[str, Any]:
    changed = copy.deepcopy(values)
    parent = _at(changed, place[:-1])
    renamed = {typo if key == place[-1] else key: inner for key, inner in parent.items()}
    parent.clear()
    parent.update(renamed)
    return changed


def _opened(value: Any) -> Any:
    """Values with YAML that stands in a string read, so that its keys are mistyped too."""
    if isinstance(value, dict):
        return {key: yaml.safe_load(inner) if key in EMBEDDED else _opened(inner) for key, inner in value.items()}
    return [_opened(inner) for inner in value] if isinstance(value, list) else value


def _closed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: yaml.safe_dump(inner) if key in EMBEDDED else _closed(inner) for key, inner in value.items()}
    return [_closed(inner) for inner in value] if isinstance(value, list) else value

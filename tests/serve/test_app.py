"""What is refused before anything is deployed, without Ray."""

from pathlib import Path
from typing import Any

import pytest

from octupus.config import resolve
from octupus.errors import ConfigError, VocabularyError
from octupus.serve.app import checked
from octupus.serve.config import ServeConfig

from ..conftest import write_tokenizer


def config(source: Path, **sections: Any) -> ServeConfig:
    return resolve(ServeConfig, {"model": {"source": str(source)}} | sections, "test")


def test_a_model_without_control_tokens_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, control_tokens=False)
    with pytest.raises(VocabularyError):
        checked(config(tmp_path))


def test_paths_become_absolute(tokenizer_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("adapters").mkdir()
    made = checked(config(tokenizer_directory, adapters={"directory": "adapters"}, access={"api_keys_file": "keys"}))
    assert made.adapters.directory == tmp_path / "adapters"
    assert made.access.api_keys_file == tmp_path / "keys"


def test_what_vllm_would_refuse_is_refused_before_the_start(tokenizer_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_num_batched_tokens"):
        checked(config(tokenizer_directory, engine={"engine_kwargs": {"max_num_batched_token": 1}}))
    with pytest.raises(ConfigError, match="is no directory"):
        checked(config(tokenizer_directory, adapters={"directory": str(tmp_path / "missing")}))

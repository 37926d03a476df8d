"""vLLM's arguments, compared with the installed vLLM."""

from pathlib import Path
from typing import Any

import pytest

from octupus.errors import ConfigError
from octupus.serve.config import AdaptersConfig, EngineConfig, ModelConfig, ServeConfig
from octupus.serve.engine import arguments
from octupus.serve.engine.arguments import (
    FIXED,
    LORA_RANKS,
    OWN_KEYS,
    argument_names,
    check_engine_kwargs,
    engine_arguments,
    vllm_lora_rank,
)
from octupus.serve.engine.placement import Placement

ON_CPU = Placement(True, "mp", 2, 0)


def test_names_read_from_the_source_are_those_of_the_class() -> None:
    pytest.importorskip("vllm")
    from dataclasses import fields
    from typing import get_args

    from vllm.config.lora import MaxLoRARanks
    from vllm.engine.arg_utils import AsyncEngineArgs

    assert argument_names() == {field.name for field in fields(AsyncEngineArgs)}
    assert get_args(MaxLoRARanks) == LORA_RANKS
    assert argument_names() >= OWN_KEYS.keys() | FIXED.keys()


def test_every_argument_that_octupus_sets_is_refused_or_may_be_overridden_on_purpose() -> None:
    config = ServeConfig(
        model=ModelConfig(source=Path("m")),
        engine=EngineConfig(tensor_parallel_size=2, max_model_len=64),
        adapters=AdaptersConfig(directory=Path("a"), max_lora_rank=20),
    )
    made = engine_arguments(config, ON_CPU)
    assert made.keys() <= argument_names()
    assert made["max_lora_rank"] == 32
    overridable = {"enable_log_requests", "disable_log_stats", "enforce_eager"}
    assert made.keys() - overridable <= OWN_KEYS.keys() | FIXED.keys()
    assert (
        engine_arguments(config.model_copy(update={"engine": EngineConfig(engine_kwargs={"seed": 3})}), ON_CPU)["seed"]
        == 3
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"max_num_batched_token": 5}, "did you mean 'max_num_batched_tokens'"),
        ({"tensor_parallel_size": 2}, r"use engine\.tensor_parallel_size instead"),
        ({"structured_outputs_config": {}}, "cannot be changed: it holds octupus's constraint"),
    ],
)
def test_wrong_engine_kwargs_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_engine_kwargs(kwargs)


def test_engine_kwargs_of_vllm_pass() -> None:
    check_engine_kwargs({"max_num_batched_tokens": 512, "disable_log_stats": False})


def test_ranks_that_vllm_does_not_serve_are_refused() -> None:
    assert [vllm_lora_rank(rank) for rank in (1, 9, 64, 512)] == [1, 16, 64, 512]
    with pytest.raises(ConfigError, match="up to rank 512"):
        vllm_lora_rank(513)


def test_vllm_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "find_spec", lambda name: None)
    argument_names.cache_clear()
    with pytest.raises(ConfigError, match="extra cpu or gpu"):
        argument_names()

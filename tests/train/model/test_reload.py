from pathlib import Path

import pytest
from transformers.integrations.deepspeed import (
    is_deepspeed_zero3_enabled,
    set_hf_deepspeed_config,
    unset_hf_deepspeed_config,
)

from octupus.errors import TrainingError
from octupus.train.model.reload import load_whole, unsharded


class Sharding:
    def is_zero3(self) -> bool:
        return True


def test_sharding_is_hidden_while_loading_and_back_afterwards() -> None:
    sharding = Sharding()
    set_hf_deepspeed_config(sharding)
    try:
        with unsharded():
            assert not is_deepspeed_zero3_enabled()
        assert is_deepspeed_zero3_enabled()
    finally:
        unset_hf_deepspeed_config()


def test_a_directory_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=f"{tmp_path} cannot be loaded"):
        load_whole(tmp_path)

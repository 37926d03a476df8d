"""Loads what was written, as anybody would, to compare it with what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from octupus.errors import TrainingError


def load_whole(directory: Path, dtype: torch.dtype | str = "auto") -> Any:
    """The causal language model in `directory`, whole and on the CPU, even in a process that trains with ZeRO-3.

    Raises TrainingError when the directory holds none.
    """
    from transformers import AutoModelForCausalLM

    try:
        with unsharded():
            return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{directory} cannot be loaded as a causal language model: {error}") from error


@contextmanager
def unsharded() -> Iterator[None]:
    """Hide from transformers and PEFT that this process shards weights.

    Loading would else wait for the other workers, which load nothing.
    """
    from transformers.integrations import deepspeed as integration

    reference = integration._hf_deepspeed_config_weak_ref
    integration.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        integration._hf_deepspeed_config_weak_ref = reference

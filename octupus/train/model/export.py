"""What a stage leaves: a Hugging Face directory, verified by loading it again before it gets its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from octupus.chat.registry import ModelChat
from octupus.errors import TrainingError
from octupus.train.config import StageConfig
from octupus.train.model.directory import copy_tokenizer, published, write_generation_config, write_record
from octupus.train.model.lora import export_adapter
from octupus.train.model.reload import load_whole


def export_stage(
    model: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    config: StageConfig,
    chat: ModelChat,
    entry: dict[str, Any],
) -> None:
    """Write `state`, the trained weights or adapters, to `config.export` with the tokenizer of the start model.

    `model` gives names and configuration only, since ZeRO-3 leaves its weights in pieces; `entry` is this run's entry
    in the lineage of octupus.json. Raises TrainingError when what is loaded again differs from `state`.
    """
    if config.export is None:
        return
    with published(config.export) as directory:
        if config.lora is not None:
            export_adapter(model, state, config.model, directory)
        else:
            model.save_pretrained(directory, state_dict=dict(state))
            _verify(state, directory, chat)
        copy_tokenizer(config.model, directory)
        write_generation_config(config.model, directory, chat.tokenizer.end_id)
        write_record(config.model, directory, chat.dialect.name, entry)


def _verify(state: Mapping[str, torch.Tensor], directory: Path, chat: ModelChat) -> None:
    dtype = next(tensor.dtype for tensor in state.values() if tensor.is_floating_point())
    reloaded = load_whole(directory, dtype)
    found = reloaded.state_dict()
    different = [name for name in state if name not in found or not torch.equal(state[name].cpu(), found[name].cpu())]
    if different or len(found) != len(state):
        raise TrainingError(f"the export in {directory} differs after reloading, first in {(different or ['size'])[0]}")
    prompt = torch.tensor([[chat.tokenizer.control_id(chat.dialect.control_tokens[0]), chat.tokenizer.end_id]])
    with torch.no_grad():
        logits = reloaded(input_ids=prompt, use_cache=False).logits
    if not math.isfinite(float(logits.float().abs().max())):
        raise TrainingError(f"the export in {directory} gives logits that are not finite")

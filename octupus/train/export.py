"""The trained model as a Hugging Face directory, verified by loading it again before it gets its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from octupus.chat.registry import ModelChat
from octupus.errors import TrainingError
from octupus.train.model_directory import copy_tokenizer, published, write_generation_config, write_record


def export_model(
    model: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    start: Path,
    target: Path,
    chat: ModelChat,
    entry: dict[str, Any],
) -> None:
    """Write `state` (the whole model's weights) to `target` with the tokenizer of `start`.

    `model` is the transformers model that was trained; `entry` is this run's entry in the lineage of octupus.json.
    Raises TrainingError when the reloaded model differs from the trained one in any tensor or in its greedy token.
    """
    with published(target) as directory:
        model.save_pretrained(directory, state_dict=dict(state))
        copy_tokenizer(start, directory)
        write_generation_config(start, directory, chat.tokenizer.end_id)
        write_record(start, directory, chat.dialect.name, entry)
        _verify(model, state, directory, chat)


def _verify(model: torch.nn.Module, state: Mapping[str, torch.Tensor], directory: Path, chat: ModelChat) -> None:
    from transformers import AutoModelForCausalLM

    parameter = next(model.parameters())
    reloaded = AutoModelForCausalLM.from_pretrained(
        directory, dtype=parameter.dtype, attn_implementation=model.config._attn_implementation
    )
    found = reloaded.state_dict()
    different = [name for name in state if name not in found or not torch.equal(state[name].cpu(), found[name].cpu())]
    if different or len(found) != len(state):
        raise TrainingError(f"the export in {directory} differs after reloading, first in {(different or ['size'])[0]}")
    prompt = torch.tensor([[chat.tokenizer.control_id(chat.dialect.control_tokens[0]), chat.tokenizer.end_id]])
    tokens = [_greedy_token(candidate, prompt, parameter.device) for candidate in (model, reloaded)]
    if tokens[0] != tokens[1]:
        raise TrainingError(
            f"the export in {directory} continues a prompt with token {tokens[1]}, the trained model with {tokens[0]}"
        )


def _greedy_token(model: torch.nn.Module, prompt: torch.Tensor, device: torch.device) -> int:
    model.to(device).eval()
    with torch.no_grad():
        logits = model(input_ids=prompt.to(device), use_cache=False).logits
    return int(logits[0, -1].argmax())

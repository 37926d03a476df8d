"""Low-rank adapters beside frozen weights: added to a model, and written as a PEFT directory."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from octupus.errors import TrainingError
from octupus.train.config import LoraConfig
from octupus.train.model.agreement import disagreement, probe_logits
from octupus.train.model.control_rows import add_control_rows, saved_rows
from octupus.train.model.reload import load_whole, unsharded

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER = "default"


def add_adapters(model: Any, settings: LoraConfig, control_ids: Sequence[int]) -> PeftModel:
    """Freeze a transformers model and add what `settings` trains; the model is changed in place.

    `control_ids` are the ids of the dialect's control tokens. Adapters have the type of the model's weights: the
    engine keeps float32 copies of what it trains. The transformers model inside is `get_base_model()`; its signature
    is that of the model, the PeftModel's is not. Raises TrainingError when a named target is no linear layer.
    """
    import peft

    targets: str | list[str] = "all-linear" if settings.target == "all-linear" else _checked(model, settings.target)
    config = peft.LoraConfig(
        task_type=peft.TaskType.CAUSAL_LM,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
    )
    adapted = peft.get_peft_model(model, config, autocast_adapter_dtype=False)
    if settings.train_control_tokens:
        config.trainable_token_indices = add_control_rows(model, control_ids)
    return adapted


def trained_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The trained parameters by their full names."""
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}


def is_adapter(directory: Path) -> bool:
    """Whether the directory holds an adapter instead of a model."""
    return (directory / ADAPTER_CONFIG).is_file()


def export_adapter(model: PeftModel, state: Mapping[str, torch.Tensor], start: Path, directory: Path) -> None:
    """Write the adapter into an existing directory and verify it (see `verify_adapter`).

    `state` holds at least the trained parameters, whole, under their full names; of `model` only the structure is
    read. `start` is the directory of the frozen weights.
    """
    from safetensors.torch import save_file

    tensors = adapter_tensors(model, state)
    save_file(tensors, directory / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = copy.copy(model.peft_config[ADAPTER])
    config.base_model_name_or_path = str(start.absolute())
    config.inference_mode = True
    if not isinstance(config.target_modules, str):
        config.target_modules = sorted(config.target_modules or [])  # PEFT keeps a set, in no order
    config.save_pretrained(str(directory))
    with unsharded():
        verify_adapter(model, state, start, directory)


def adapter_tensors(model: PeftModel, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The trained tensors under PEFT's names, on the CPU and contiguous.

    Raises TrainingError when `state` lacks one.
    """
    from peft import get_peft_model_state_dict

    missing = [name for name in trained_state(model) if name not in state]
    if missing:
        raise TrainingError(f"the trained state lacks {missing[0]} ({len(missing)} missing); this is an engine's fault")
    trained = {name: state[name] for name in trained_state(model)}
    named: dict[str, torch.Tensor] = get_peft_model_state_dict(
        model, trained, adapter_name=ADAPTER, save_embedding_layers=False
    )
    return {name: tensor.detach().cpu().contiguous() for name, tensor in (named | saved_rows(trained)).items()}


def verify_adapter(model: PeftModel, state: Mapping[str, torch.Tensor], start: Path, directory: Path) -> None:
    """Load the adapter in `directory` as anybody would, and compare it with `state` on the frozen weights of `start`.

    Runs on the CPU, and reads only the structure of `model`, which ZeRO-3 may have partitioned. Raises TrainingError
    when a tensor differs in any bit, or when logits disagree.
    """
    import peft

    tensors = adapter_tensors(model, state)
    dtype = next(iter(tensors.values())).dtype
    reloaded = peft.PeftModel.from_pretrained(load_whole(start, dtype), str(directory), autocast_adapter_dtype=False)
    found = peft.get_peft_model_state_dict(reloaded, save_embedding_layers=False)
    different = [name for name in tensors if name not in found or not torch.equal(tensors[name], found[name].cpu())]
    different += sorted(found.keys() - tensors.keys())
    if different:
        raise TrainingError(f"the adapter in {directory} differs after reloading, first in {different[0]}")
    ids = trained_ids(model)
    logits = probe_logits(reloaded, ids)
    del reloaded
    complaint = disagreement(probe_logits(_rebuilt(model, state, load_whole(start, dtype)), ids), logits, dtype)
    if complaint:
        raise TrainingError(f"the adapter in {directory} does not continue as the trained model: {complaint}")


def trained_ids(model: PeftModel) -> list[int]:
    """The ids whose embedding rows the adapter trains."""
    indices: dict[str, list[int]] | list[int] = model.peft_config[ADAPTER].trainable_token_indices or []
    if isinstance(indices, dict):
        indices = [token for ids in indices.values() for token in ids]
    return sorted(set(indices))


def _rebuilt(model: PeftModel, state: Mapping[str, torch.Tensor], base: Any) -> PeftModel:
    """`base` with the adapters of `model`, holding `state`."""
    import peft

    config = copy.copy(model.peft_config[ADAPTER])
    config.trainable_token_indices = None
    rebuilt = peft.get_peft_model(base, config, autocast_adapter_dtype=False)
    ids = trained_ids(model)
    if ids:
        add_control_rows(base, ids)
    rebuilt.load_state_dict({name: state[name] for name in trained_state(rebuilt)}, strict=False)
    return rebuilt


def _checked(model: Any, targets: Sequence[str]) -> list[str]:
    """The targets, if each names linear layers besides the head. Raises TrainingError naming the nearest that does."""
    head = model.get_output_embeddings()
    layers = [name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear) and layer is not head]
    known = sorted({name.rpartition(".")[2] for name in layers})
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in layers):
            nearest = difflib.get_close_matches(target, known, n=1, cutoff=0.0)[0]
            raise TrainingError(
                f"lora.target {target!r} names no linear layer of the model; did you mean {nearest!r}? "
                f"Its layers: {', '.join(known)}"
            )
    return list(targets)

"""An adapter and its base as one model directory, which every server and every later stage takes.

Products of adapters are made and added in float32, layer by layer, and the sum is rounded once to the type the base is
stored in: rounding the product first would lose the small change an adapter makes. Memory: the base, and one layer in
float32.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octupus.chat.registry import model_chat
from octupus.data.manifest import file_sha256
from octupus.errors import OutputError, TrainingError
from octupus.telemetry import event
from octupus.train.model.agreement import disagreement, probe_logits
from octupus.train.model.directory import (
    copy_tokenizer,
    published,
    read_record,
    write_generation_config,
    write_record,
)
from octupus.train.model.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS, is_adapter, trained_ids
from octupus.train.model.merge_config import MergeConfig
from octupus.train.model.reload import load_whole

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

logger = logging.getLogger(__name__)


def merge(config: MergeConfig) -> Path:
    """Write `config.output`: base and adapter as one Hugging Face directory, in the type the base is stored in.

    Raises OutputError when the output exists, and TrainingError when the adapter is none, its base is missing or
    another one, or the merged model, loaded again, does not give the logits of base and adapter (see `agreement`).
    """
    adapter, output = config.adapter.absolute(), config.output.absolute()
    if output.exists():
        raise OutputError(f"{output} exists; remove it or choose another --output")
    base = _base(adapter, config.base)
    chat = model_chat(base)
    adapted = _load(adapter, base)
    dtype, ids = adapted.get_base_model().dtype, trained_ids(adapted)
    expected = probe_logits(adapted, ids)
    with published(output) as directory:
        adapted.merge_and_unload().save_pretrained(directory)
        del adapted  # two models are never held at once
        verify_merge(directory, expected, ids, dtype)
        copy_tokenizer(base, directory)
        write_generation_config(base, directory, chat.tokenizer.end_id)
        source = adapter if read_record(adapter) else base
        write_record(source, directory, chat.dialect.name, _lineage_entry(adapter, base))
    event(logger, "lora.merged", adapter=adapter, base=base, output=output, dtype=str(dtype))
    return output


def verify_merge(directory: Path, expected: torch.Tensor, ids: list[int], dtype: torch.dtype) -> None:
    """Compare the merged model's logits on the probe of `ids` with `expected`, those of base and adapter.

    Raises TrainingError when they disagree.
    """
    complaint = disagreement(expected, probe_logits(load_whole(directory, dtype), ids), dtype)
    if complaint:
        raise TrainingError(f"the merged model does not continue as base and adapter: {complaint}")


def _base(adapter: Path, override: Path | None) -> Path:
    """The directory of the base. Raises TrainingError when it is missing or not what the adapter was trained on."""
    if not is_adapter(adapter):
        raise TrainingError(
            f"{adapter} is no adapter: it has no {ADAPTER_CONFIG}; give the export of a stage with lora"
        )
    settings = json.loads((adapter / ADAPTER_CONFIG).read_text("utf-8"))
    if settings.get("peft_type") != "LORA" or not (adapter / ADAPTER_WEIGHTS).is_file():
        raise TrainingError(f"{adapter} is not whole, or not of LoRA: it needs {ADAPTER_WEIGHTS} and peft_type LORA")
    base = (override or Path(settings.get("base_model_name_or_path") or "")).absolute()
    if not (base / "config.json").is_file():
        raise TrainingError(f"{base}, the base of {adapter}, is no model directory; say where it lies with --base")
    record = read_record(adapter)
    # An adapter's history is that of its base and the run that trained it.
    if record and record["lineage"][:-1] != read_record(base).get("lineage", []):
        raise TrainingError(f"{base} is not the model that {adapter} was trained on: their octupus.json disagree")
    return base


def _load(adapter: Path, base: Path) -> PeftModel:
    """The base in its stored type with the adapter in float32. Raises TrainingError when the adapter does not fit."""
    import peft

    model: Any = load_whole(base)
    try:
        return peft.PeftModel.from_pretrained(model, str(adapter))
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
        raise TrainingError(f"the adapter {adapter} does not fit {base}: {reason}") from error


def _lineage_entry(adapter: Path, base: Path) -> dict[str, Any]:
    return {
        "job": "merge_lora",
        "start": str(base),
        "adapter": str(adapter),
        "adapter_sha256": file_sha256(adapter / ADAPTER_WEIGHTS),
    }

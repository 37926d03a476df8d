"""A merged model is base and adapter together, and only what belongs together is merged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from octupus.errors import OutputError, TrainingError
from octupus.train.config import VocabularyConfig
from octupus.train.model.directory import copy_tokenizer, read_record, write_record
from octupus.train.model.lora import export_adapter, trained_state
from octupus.train.model.merge import merge
from octupus.train.model.merge_config import MergeConfig
from octupus.train.model.vocabulary import edit_vocabulary
from tests.train.model.test_lora import SETTINGS, adapted, control_ids, load, prompt, train
from tests.train.tiny_model import write_base_model

ENTRY = {"job": "train", "run": "tiny"}


def write_start(directory: Path, tied: bool, dtype: torch.dtype) -> Path:
    base = write_base_model(directory / "base", tied=tied)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    model.save_pretrained(base)
    return edit_vocabulary(VocabularyConfig(base=base, output=directory / "start"))


def write_adapter(start: Path, directory: Path, dtype: torch.dtype) -> Path:
    model = adapted(start, SETTINGS, dtype)
    train(model, control_ids(start))
    directory.mkdir()
    export_adapter(model, trained_state(model), start, directory)
    copy_tokenizer(start, directory)
    write_record(start, directory, "octupus", ENTRY)
    return directory


@pytest.fixture(
    scope="module",
    params=[(True, torch.float32), (False, torch.float32), (True, torch.bfloat16), (False, torch.bfloat16)],
    ids=["tied", "untied", "tied bfloat16", "untied bfloat16"],
)
def merged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    tied, dtype = request.param
    directory = tmp_path_factory.mktemp("merged")
    start = write_start(directory, tied, dtype)
    adapter = write_adapter(start, directory / "adapter", dtype)
    return start, adapter, merge(MergeConfig(adapter=adapter, output=directory / "merged"))


def whole(directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory, dtype="auto")


def test_the_merged_model_gives_the_logits_of_base_and_adapter(merged: tuple[Path, Path, Path]) -> None:
    start, adapter, output = merged
    inputs = prompt(control_ids(start))
    single = whole(output)
    both = PeftModel.from_pretrained(load(start, torch.float32), str(adapter))
    with torch.no_grad():
        expected, base = both.eval()(input_ids=inputs).logits, load(start, torch.float32)(input_ids=inputs).logits
        found = single.float()(input_ids=inputs).logits
    assert (base - expected).abs().max() > 0.1
    tolerance = 1e-5 if whole(output).dtype == torch.float32 else 5e-3
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_sums_are_made_in_float32_and_rounded_once(merged: tuple[Path, Path, Path]) -> None:
    start, adapter, output = merged
    before, after, tensors = whole(start), whole(output), load_file(adapter / "adapter_model.safetensors")
    assert after.dtype == before.dtype
    weights = dict(before.named_parameters())
    adapted_names = set()
    for name, weight in after.named_parameters():
        prefix = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{prefix}.lora_A.weight" in tensors:
            adapted_names.add(name)
            low, high = (tensors[f"{prefix}.lora_{side}.weight"].float() for side in "AB")
            expected = (weights[name].float() + SETTINGS.alpha / SETTINGS.rank * (high @ low)).to(weight.dtype)
            assert torch.equal(weight, expected)
        elif "embed_tokens" not in name and "lm_head" not in name:
            assert torch.equal(weight, weights[name])
    assert len(adapted_names) == 14


def test_only_the_control_rows_of_the_matrices_change(merged: tuple[Path, Path, Path]) -> None:
    start, _, output = merged
    ids = control_ids(start)
    before, after = whole(start), whole(output)
    for old, new in (
        (before.get_input_embeddings().weight, after.get_input_embeddings().weight),
        (before.get_output_embeddings().weight, after.get_output_embeddings().weight),
    ):
        changed = (old != new).any(dim=1).nonzero().squeeze(1).tolist()
        assert changed == sorted(ids)
    assert after.config.tie_word_embeddings == before.config.tie_word_embeddings


def test_the_record_tells_the_whole_history(merged: tuple[Path, Path, Path]) -> None:
    start, adapter, output = merged
    lineage = read_record(output)["lineage"]
    assert lineage[:-2] == read_record(start)["lineage"]
    assert lineage[-2] == ENTRY
    assert lineage[-1]["job"] == "merge_lora"
    assert (lineage[-1]["start"], lineage[-1]["adapter"]) == (str(start), str(adapter))
    for name in ("tokenizer.json", "chat_template.jinja"):
        assert (output / name).read_bytes() == (start / name).read_bytes()
    assert json.loads((output / "generation_config.json").read_text())["eos_token_id"] is not None


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    start = write_start(tmp_path / "one", True, torch.float32)
    other = write_start(tmp_path / "two", True, torch.float32)
    adapter = write_adapter(start, tmp_path / "adapter", torch.float32)
    output = tmp_path / "output"

    def refused(words: str, error: type[Exception] = TrainingError, **changes: Path) -> None:
        with pytest.raises(error, match=words) as found:
            merge(MergeConfig(**({"adapter": adapter, "output": output} | changes)))
        assert "\n" not in str(found.value)

    refused("exists", OutputError, output=start)
    refused("is no adapter", adapter=start)
    refused("is no model directory.*--base", base=tmp_path / "nowhere")
    refused("is not the model that .* was trained on", base=other)
    tensors = load_file(adapter / "adapter_model.safetensors")
    wide = {name: tensor.repeat(1, 2) for name, tensor in tensors.items()}
    save_file(wide, adapter / "adapter_model.safetensors")
    refused("does not fit")
    (adapter / "adapter_model.safetensors").unlink()
    refused("is not whole")
    assert not output.exists()


def test_a_base_that_moved_is_named(tmp_path: Path) -> None:
    start = write_start(tmp_path, True, torch.float32)
    adapter = write_adapter(start, tmp_path / "adapter", torch.float32)
    moved = tmp_path / "elsewhere"
    shutil.move(start, moved)
    with pytest.raises(TrainingError, match="--base"):
        merge(MergeConfig(adapter=adapter, output=tmp_path / "output"))
    assert merge(MergeConfig(adapter=adapter, output=tmp_path / "output", base=moved)) == tmp_path / "output"

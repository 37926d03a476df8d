"""Adapters: what is trained, and that PEFT reads what is written."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from octupus.chat.registry import model_chat
from octupus.errors import TrainingError
from octupus.train.config import LoraConfig, VocabularyConfig
from octupus.train.model.lora import add_adapters, export_adapter, is_adapter, trained_state, verify_adapter
from octupus.train.model.vocabulary import edit_vocabulary
from tests.train.tiny_model import write_base_model

SETTINGS = LoraConfig(rank=4, alpha=8)
ROWS = {"tied": 1, "untied": 2}


@pytest.fixture(scope="module", params=["tied", "untied"])
def start(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp(request.param)
    base = write_base_model(directory / "base", tied=request.param == "tied")
    return edit_vocabulary(VocabularyConfig(base=base, output=directory / request.param))


def load(directory: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)


def control_ids(directory: Path) -> list[int]:
    chat = model_chat(directory)
    return [chat.tokenizer.control_id(token) for token in chat.dialect.control_tokens]


def prompt(ids: Sequence[int]) -> torch.Tensor:
    return torch.tensor([[*ids, *range(20, 50), *ids]])


def loss(model: Any, ids: Sequence[int]) -> torch.Tensor:
    inputs = prompt(ids)
    logits = model(input_ids=inputs, use_cache=False).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits.float(), inputs[0, 1:])


def train(model: Any, ids: Sequence[int], steps: int = 3) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(steps):
        loss(model, ids).backward()
        optimizer.step()
        optimizer.zero_grad()


def adapted(start: Path, settings: LoraConfig = SETTINGS, dtype: torch.dtype = torch.float32) -> PeftModel:
    torch.manual_seed(0)
    return add_adapters(load(start, dtype), settings, control_ids(start))


def test_adapters_of_every_linear_layer_and_the_control_rows_are_trained(start: Path) -> None:
    state = trained_state(adapted(start))
    linear = 2 * 7  # layers, and the linear layers of each
    assert len([name for name in state if ".lora_A." in name]) == linear
    assert len([name for name in state if ".lora_B." in name]) == linear
    rows = [tensor for name, tensor in state.items() if "lora_" not in name]
    assert [tuple(tensor.shape) for tensor in rows] == [(len(set(control_ids(start))), 64)] * ROWS[start.name]


def test_steps_change_every_trained_tensor_and_nothing_else(start: Path) -> None:
    model = adapted(start)
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    train(model, control_ids(start))
    changed = {name for name, tensor in model.named_parameters() if not torch.equal(tensor, before[name])}
    assert changed == trained_state(model).keys()


def test_fresh_adapters_do_not_change_the_model(start: Path) -> None:
    inputs = prompt(control_ids(start))
    torch.testing.assert_close(adapted(start)(input_ids=inputs).logits, load(start)(input_ids=inputs).logits)


def test_rows_get_the_gradient_that_the_whole_matrices_would_give_them(start: Path) -> None:
    ids = sorted(control_ids(start))
    whole = load(start)
    loss(whole, ids).backward()
    expected = {id(layer.weight): layer.weight.grad[ids] for layer in (whole.get_input_embeddings(), whole.lm_head)}
    model = adapted(start)
    loss(model, ids).backward()
    found = [tensor.grad for name, tensor in model.named_parameters() if name.endswith(".rows")]
    assert len(found) == len(expected) == ROWS[start.name]
    for gradient, reference in zip(found, expected.values(), strict=True):
        torch.testing.assert_close(gradient, reference)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_peft_reads_the_exported_adapter(start: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    model = adapted(start, dtype=dtype)
    ids = control_ids(start)
    train(model, ids)
    assert not is_adapter(tmp_path)
    export_adapter(model, trained_state(model), start, tmp_path)
    assert is_adapter(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == str(start)
    reloaded = PeftModel.from_pretrained(load(start, dtype), str(tmp_path), autocast_adapter_dtype=False)
    inputs = prompt(ids)
    with torch.no_grad():
        logits = [m.eval()(input_ids=inputs).logits.float() for m in (model, reloaded, load(start, dtype))]
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    torch.testing.assert_close(logits[1], logits[0], atol=tolerance, rtol=0)
    assert (logits[2] - logits[0]).abs().max() > 0.1


def test_a_damaged_export_is_found(start: Path, tmp_path: Path) -> None:
    model = adapted(start)
    train(model, control_ids(start))
    state = trained_state(model)
    export_adapter(model, state, start, tmp_path)
    name = next(name for name in state if "lora_B" in name)
    with pytest.raises(TrainingError, match=name.removesuffix(".default.weight").replace(".", r"\.")):
        verify_adapter(model, state | {name: state[name] * 1.001}, start, tmp_path)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 9}))
    with pytest.raises(TrainingError, match="does not continue as the trained model"):
        verify_adapter(model, state, start, tmp_path)


def test_without_control_tokens_and_with_named_targets(start: Path, tmp_path: Path) -> None:
    model = adapted(start, LoraConfig(rank=4, target=("q_proj", "v_proj"), train_control_tokens=False))
    assert {name.split(".")[-4] for name in trained_state(model)} == {"q_proj", "v_proj"}
    export_adapter(model, trained_state(model), start, tmp_path)


@pytest.mark.parametrize(("target", "nearest"), [("query_proj", "q_proj"), ("mlp.upproj", "up_proj"), ("lm_head", "")])
def test_a_target_that_is_no_layer_is_refused(start: Path, target: str, nearest: str) -> None:
    with pytest.raises(TrainingError, match=f"lora.target '{target}' names no linear layer.*{nearest}"):
        adapted(start, LoraConfig(target=("v_proj", target)))


@pytest.mark.parametrize("train_control_tokens", [True, False])
def test_recomputing_activations_gives_the_same_gradients(start: Path, train_control_tokens: bool) -> None:
    ids = control_ids(start)

    def gradients(prepare: Callable[[Any], None]) -> dict[str, Any]:
        torch.manual_seed(0)
        base = load(start)
        prepare(base)
        model = add_adapters(base, SETTINGS.model_copy(update={"train_control_tokens": train_control_tokens}), ids)
        loss(model.train(), ids).backward()
        return {name: tensor.grad for name, tensor in model.named_parameters() if tensor.requires_grad}

    plain = gradients(lambda base: None)
    recomputed = gradients(
        lambda base: base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    )
    assert plain.keys() == recomputed.keys()
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)

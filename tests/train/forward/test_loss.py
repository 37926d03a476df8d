from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoModelForCausalLM

from octupus.errors import TrainingError
from octupus.train.config import EngineConfig
from octupus.train.forward import chunked_loss
from octupus.train.forward.attention import register_attention
from octupus.train.forward.loss import LossSettings, cross_entropy_sum, linear_cross_entropy_sum
from octupus.train.forward.selftest import check_packing, sample_documents
from octupus.train.packs.feed import PackFeed, collate, empty_pack
from octupus.train.packs.prepared import read_prepared

CPU = torch.device("cpu")
FULL, CHUNKED = EngineConfig(), EngineConfig(cross_entropy="chunked")


def load(directory: Path, attention: str = "sdpa", dtype: torch.dtype = torch.float32) -> Any:
    register_attention()
    return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation=attention)


@pytest.fixture
def model(model_directory: Path) -> Any:
    return load(model_directory)


@pytest.fixture
def feed(prepared_directory: Path) -> PackFeed:
    return PackFeed(read_prepared(prepared_directory).shards)


def gradient(model: Any) -> torch.Tensor:
    flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    model.zero_grad()
    return flat


@pytest.mark.parametrize("cross_entropy", ["full", "chunked"])
@pytest.mark.parametrize("attention", ["sdpa", "packed"])
def test_equals_the_sum_over_documents_in_loss_and_gradient(
    model_directory: Path, feed: PackFeed, attention: str, cross_entropy: str
) -> None:
    model = load(model_directory, attention)
    settings = LossSettings.of(model, EngineConfig(cross_entropy=cross_entropy))
    for pack_id in range(2):
        found = feed.documents(pack_id)
        packed = cross_entropy_sum(model, collate(found, pad_to=300), settings)
        packed.backward()
        packed_gradient = gradient(model)
        alone = torch.zeros(())
        for document in found:
            ids = torch.tensor(document.ids)[None]
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
            on = torch.tensor(document.trained[1:])
            alone = alone - logits.log_softmax(-1)[torch.arange(len(on)), ids[0, 1:]][on].sum()
        alone.backward()
        alone_gradient = gradient(model)
        assert packed.item() == pytest.approx(alone.item(), rel=1e-5)
        assert (packed_gradient - alone_gradient).norm() <= 1e-5 * alone_gradient.norm()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9), st.integers(1, 40), st.booleans(), st.integers(1, 60))
def test_chunks_of_the_vocabulary_change_nothing(tokens: int, vocabulary: int, biased: bool, chunk: int) -> None:
    hidden = torch.randn(tokens, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(vocabulary, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(vocabulary, dtype=torch.float64, requires_grad=True) if biased else None
    targets = torch.randint(vocabulary, (tokens,))
    inputs = [tensor for tensor in (hidden, weight, bias) if tensor is not None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked_loss, "CHUNK_LOGITS", chunk)
        loss = linear_cross_entropy_sum(hidden, weight, bias, targets)
        gradients = torch.autograd.grad(3 * loss, inputs)
    expected = functional.cross_entropy(functional.linear(hidden, weight, bias), targets, reduction="sum")
    torch.testing.assert_close(loss, expected.float(), rtol=1e-5, atol=1e-5)
    for found, sound in zip(gradients, torch.autograd.grad(3 * expected, inputs), strict=True):
        torch.testing.assert_close(found, sound, rtol=1e-4, atol=1e-4)


def test_in_bfloat16_chunks_are_as_exact_as_all_logits_at_once() -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(200, 64).bfloat16(), (0.1 * torch.randn(1000, 64)).bfloat16()]
    targets = torch.randint(1000, (200,))

    def error(chunked: bool) -> list[float]:
        errors = []
        exact = full([tensor.float().requires_grad_() for tensor in tensors], targets)
        inputs = [tensor.clone().requires_grad_() for tensor in tensors]
        rounded = loss_and_gradients(inputs, targets) if chunked else full(inputs, targets)
        for found, sound in zip(rounded, exact, strict=True):
            errors.append(float((found.float() - sound).norm() / sound.norm()))
        return errors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked_loss, "CHUNK_LOGITS", 200 * 100)
        for chunked, at_once in zip(error(True), error(False), strict=True):
            assert chunked <= 1.1 * at_once + 1e-6


def full(inputs: list[torch.Tensor], targets: torch.Tensor) -> list[torch.Tensor]:
    logits = inputs[0] @ inputs[1].T
    loss = functional.cross_entropy(logits.float(), targets, reduction="sum")
    return [loss.detach(), *torch.autograd.grad(loss, inputs)]


def loss_and_gradients(inputs: list[torch.Tensor], targets: torch.Tensor) -> list[torch.Tensor]:
    loss = linear_cross_entropy_sum(inputs[0], inputs[1], None, targets)
    return [loss.detach(), *torch.autograd.grad(loss, inputs)]


def test_chunks_leave_the_model_as_it_was(model: Any, feed: PackFeed) -> None:
    names = list(model.state_dict())
    cross_entropy_sum(model, feed.read(0), LossSettings.of(model, CHUNKED))
    assert list(model.state_dict()) == names
    assert "forward" not in vars(model.lm_head)
    assert model(input_ids=torch.tensor([[5, 6]])).logits.shape[:2] == (1, 2)


def test_adapters_train_in_chunks_but_not_an_adapted_head(model: Any, feed: PackFeed) -> None:
    peft = pytest.importorskip("peft")
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules="all-linear"))
    pack = feed.read(0)
    losses = [cross_entropy_sum(adapted, pack, LossSettings.of(adapted, engine)) for engine in (FULL, CHUNKED)]
    gradients = [
        torch.autograd.grad(loss, [weight for weight in adapted.parameters() if weight.requires_grad])
        for loss in losses
    ]
    assert LossSettings.of(adapted, FULL).keeps_logits
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)
    model.lm_head = torch.nn.Sequential(model.lm_head)
    with pytest.raises(TrainingError, match=r"set engine\.cross_entropy to full"):
        LossSettings.of(adapted, CHUNKED)


def test_skipping_untrained_logits_changes_nothing(model: Any, feed: PackFeed) -> None:
    settings = LossSettings.of(model, FULL)
    assert settings.keeps_logits
    pack = feed.read(0)
    assert torch.equal(
        cross_entropy_sum(model, pack, settings), cross_entropy_sum(model, pack, replace(settings, keeps_logits=False))
    )


@pytest.mark.parametrize("engine", [FULL, CHUNKED])
def test_a_pack_without_trained_tokens_has_no_loss_and_no_gradient(model: Any, engine: EngineConfig) -> None:
    loss = cross_entropy_sum(model, empty_pack(), LossSettings.of(model, engine))
    loss.backward()
    assert loss.item() == 0.0
    assert float(gradient(model).abs().max()) == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("attention", ["sdpa", "eager", "packed"])
def test_the_self_test_passes_a_sound_model(
    model_directory: Path, feed: PackFeed, dtype: torch.dtype, attention: str
) -> None:
    model = load(model_directory, attention, dtype)
    documents = sample_documents(feed)
    assert len(documents) == 4
    check_packing(model, model, documents, CPU, LossSettings.of(model, CHUNKED))
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("trap", ["attention_mask", "use_cache", "no positions"])
def test_the_self_test_refuses_documents_that_see_each_other(model: Any, feed: PackFeed, trap: str) -> None:
    sound = model.forward

    def contaminated(logits_to_keep: Any = 0, **inputs: Any) -> Any:
        if trap == "attention_mask":
            inputs["attention_mask"] = torch.ones(inputs["position_ids"].shape, dtype=torch.int64)
        elif trap == "use_cache":
            inputs["use_cache"] = True
        else:
            del inputs["position_ids"]
        return sound(logits_to_keep=logits_to_keep, **inputs)

    settings = LossSettings.of(model, FULL)
    for trained in (model, model.bfloat16()):
        with pytest.raises(TrainingError, match="packed and unpacked samples disagree"):
            check_packing(contaminated, trained, sample_documents(feed), CPU, settings)


def test_the_self_test_refuses_a_model_that_changes_its_logits(model: Any, feed: PackFeed) -> None:
    def scaled(**inputs: Any) -> Any:
        output = model(**inputs)
        output.logits = output.logits / 2
        return output

    documents = sample_documents(feed)
    check_packing(scaled, model, documents, CPU, LossSettings.of(model, FULL))
    with pytest.raises(TrainingError, match="cross_entropy chunked"):
        check_packing(scaled, model, documents, CPU, LossSettings.of(model, CHUNKED))


def test_the_self_test_needs_trained_tokens(model: Any) -> None:
    with pytest.raises(TrainingError, match="no trained token"):
        check_packing(model, model, [], CPU, LossSettings.of(model, FULL))

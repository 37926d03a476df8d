from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from octupus.errors import TrainingError
from octupus.train.feed import Document, PackFeed, collate
from octupus.train.loss import cross_entropy_sum, keeps_logits
from octupus.train.prepared import read_prepared
from octupus.train.selftest import check_packing, sample_documents

CPU = torch.device("cpu")


@pytest.fixture
def model(model_directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(model_directory, dtype=torch.float32)


@pytest.fixture
def feed(prepared_directory: Path) -> PackFeed:
    return PackFeed(read_prepared(prepared_directory).shards)


def gradient(model: Any) -> torch.Tensor:
    flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    model.zero_grad()
    return flat


def test_equals_the_sum_over_documents_in_loss_and_gradient(model: Any, feed: PackFeed) -> None:
    for pack_id in range(5):
        found = feed.documents(pack_id)
        packed = cross_entropy_sum(model, collate(found, pad_to=300), keeps_logits(model))
        packed.backward()
        packed_gradient = gradient(model)
        alone = torch.zeros(())
        for document in found:
            ids = torch.tensor([document.ids])
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
            on = torch.tensor(document.trained[1:])
            alone = alone - logits.log_softmax(-1)[torch.arange(len(on)), ids[0, 1:]][on].sum()
        alone.backward()
        alone_gradient = gradient(model)
        assert packed.item() == pytest.approx(alone.item(), rel=1e-5)
        assert (packed_gradient - alone_gradient).norm() <= 1e-5 * alone_gradient.norm()


def test_skipping_untrained_logits_changes_nothing(model: Any, feed: PackFeed) -> None:
    assert keeps_logits(model)
    pack = feed.read(0)
    assert torch.equal(cross_entropy_sum(model, pack, True), cross_entropy_sum(model, pack, False))


def test_a_pack_without_trained_tokens_has_no_loss_and_no_gradient(model: Any) -> None:
    loss = cross_entropy_sum(model, collate([Document([5, 6, 7], [False] * 3)]), True)
    loss.backward()
    assert loss.item() == 0.0
    assert float(gradient(model).abs().max()) == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_self_test_passes_a_sound_model(
    model_directory: Path, feed: PackFeed, dtype: torch.dtype, attention: str
) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_directory, dtype=dtype, attn_implementation=attention)
    documents = sample_documents(feed)
    assert len(documents) == 4
    check_packing(model, documents, CPU)
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

    model.forward = contaminated
    with pytest.raises(TrainingError, match="packed and unpacked samples disagree"):
        check_packing(model, sample_documents(feed), CPU)


def test_the_self_test_needs_trained_tokens(model: Any) -> None:
    with pytest.raises(TrainingError, match="no trained token"):
        check_packing(model, [], CPU)

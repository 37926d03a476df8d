import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

from octupus.errors import TrainingError
from octupus.train.config import EngineConfig
from octupus.train.forward.attention import PACKED, no_mask, packed_attention, register_attention
from octupus.train.forward.loss import LossSettings, cross_entropy_sum
from octupus.train.packs.feed import Document, collate

CPU = torch.device("cpu")
LENGTHS = [7, 1, 12, 4]


def attend(**changes: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Four query heads on two of keys and values; returns the output and its inputs."""
    torch.manual_seed(0)
    tokens = sum(LENGTHS)
    inputs = [torch.randn(1, heads, tokens, 8, requires_grad=True) for heads in (4, 2, 2)]
    arguments = {
        "attention_mask": no_mask(CPU),
        "cu_seq_lens_q": torch.tensor([0, *LENGTHS], dtype=torch.int32).cumsum(0, dtype=torch.int32),
        "max_length_q": max(LENGTHS),
        "scaling": 0.3,
    }
    output, _ = packed_attention(torch.nn.Module(), *inputs, **{**arguments, **changes})
    return output, inputs


@pytest.mark.parametrize("window", [None, 5, 1, 12])
def test_equals_attention_under_a_mask_of_blocks(window: int | None) -> None:
    output, inputs = attend(sliding_window=window)
    mask = torch.block_diag(*(torch.ones(length, length) for length in LENGTHS)).bool().tril()
    if window is not None:
        mask = mask.triu(1 - window)
    expected = scaled_dot_product_attention(*inputs, attn_mask=mask, scale=0.3, enable_gqa=True).transpose(1, 2)
    torch.testing.assert_close(output, expected)
    towards = torch.randn_like(output)
    for found, sound in zip(
        torch.autograd.grad(output, inputs, towards), torch.autograd.grad(expected, inputs, towards), strict=True
    ):
        torch.testing.assert_close(found, sound)


@pytest.mark.parametrize(
    "argument",
    [
        {"softcap": 30.0},
        {"s_aux": torch.zeros(4)},
        {"position_bias": torch.zeros(1)},
        {"is_causal": False},
        {"attention_mask": torch.ones(1, 1, 24, 24, dtype=torch.bool)},
        {"cu_seq_lens_q": None},
    ],
)
def test_what_it_cannot_compute_is_refused(argument: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="packed cannot compute this attention"):
        attend(**argument)


def test_without_lengths_it_is_sdpa(model_directory: Path) -> None:
    register_attention()
    packed, sdpa = (
        AutoModelForCausalLM.from_pretrained(model_directory, attn_implementation=name).eval()
        for name in (PACKED, "sdpa")
    )
    ids = torch.tensor([[5, 6, 7, 8], [0, 0, 9, 10]])
    padding = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    generated = [
        model.generate(ids, attention_mask=padding, max_new_tokens=5, do_sample=False) for model in (packed, sdpa)
    ]
    assert torch.equal(*generated)
    restarts = torch.tensor([[0, 1, 0, 1]])
    logits = [model(ids[:1], position_ids=restarts, use_cache=False).logits for model in (packed, sdpa)]
    assert torch.equal(*logits)


def test_an_export_does_not_name_it(model_directory: Path, tmp_path: Path) -> None:
    register_attention()
    AutoModelForCausalLM.from_pretrained(model_directory, attn_implementation=PACKED).save_pretrained(tmp_path)
    assert PACKED not in json.dumps(json.loads((tmp_path / "config.json").read_text()))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_model_with_a_sliding_window_trains_as_under_sdpa(checkpointing: bool) -> None:
    register_attention()
    settings = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    gradients = []
    for name in (PACKED, "sdpa"):
        torch.manual_seed(0)
        config = MistralConfig(vocab_size=64, num_key_value_heads=2, sliding_window=6, **settings)
        config._attn_implementation = name
        model = MistralForCausalLM(config)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        pack = collate([Document(range(1, 1 + length), [True] * length) for length in (15, 3, 9)], pad_to=32)
        cross_entropy_sum(model.train(), pack, LossSettings.of(model, EngineConfig())).backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters()]))
    assert (gradients[0] - gradients[1]).norm() <= 1e-5 * gradients[1].norm()

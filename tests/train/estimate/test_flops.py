"""Parameters and FLOPs against models that transformers builds and operations that PyTorch counts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from octupus.errors import ConfigError
from octupus.train.estimate.accelerators import accelerator, named_accelerator, peak_flops
from octupus.train.estimate.flops import model_shape, read_model_shape, step_flops

SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 48,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
CONFIGS = [
    Qwen2Config(**SIZES, tie_word_embeddings=True),
    Qwen2Config(**SIZES, tie_word_embeddings=False),
    Qwen3Config(**SIZES, head_dim=20),
    Qwen3Config(**SIZES, head_dim=20, attention_bias=True),
    LlamaConfig(**SIZES),
    LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True),
    MistralConfig(**SIZES, head_dim=16),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.model_type))
def test_parameters_are_those_of_the_model(config: Any, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    shape = read_model_shape(tmp_path)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert shape.layer_parameters == sum(parameter.numel() for parameter in model.model.layers[0].parameters())
    assert shape.largest_parameter == max(parameter.numel() for parameter in model.parameters())


def test_parameters_of_published_models() -> None:
    qwen = {"model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944}
    qwen |= {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}
    assert model_shape(qwen).parameters == 7_615_616_512  # the sum of Qwen/Qwen2.5-7B's safetensors index


@pytest.mark.parametrize("rank", [None, 8])
def test_flops_are_those_that_pytorch_counts(rank: int | None) -> None:
    config = Qwen2Config(**SIZES, tie_word_embeddings=True)
    shape = model_shape(config.to_dict())
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    if rank is not None:
        model = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear"))
        model.enable_input_require_grads()
    ids = torch.arange(32)[None]
    kept = torch.arange(5, 20)
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits[0]
        functional.cross_entropy(logits, ids[0, kept]).backward()
    # Eager attention multiplies whole squares, of which causal attention needs half.
    assert counter.get_total_flops() == step_flops(shape, 32, len(kept), 2 * 32**2, rank)


def test_documents_attend_to_themselves_alone() -> None:
    shape = model_shape(CONFIGS[0].to_dict())
    one, four = (step_flops(shape, 4096, 1000, lengths) for lengths in (4096**2, 4 * 1024**2))
    assert one - four == 6 * (4096**2 - 4 * 1024**2) * shape.attention_width * shape.num_hidden_layers


def test_adapters_have_the_size_that_peft_gives_them() -> None:
    config = Qwen2Config(**SIZES)
    for target in ("all-linear", ("q_proj", "down_proj")):
        adapted = get_peft_model(
            AutoModelForCausalLM.from_config(config),
            LoraConfig(r=4, target_modules=target if isinstance(target, str) else list(target)),
        )
        trained = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
        assert model_shape(config.to_dict()).adapter_parameters(4, target) == trained  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"'query' is no linear layer; known: q_proj"):
        model_shape(config.to_dict()).adapter_parameters(4, ("query",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "mamba"}, r"'mamba' is not known here; known: llama, mistral, qwen2, qwen3"),
        ({"model_type": "qwen2", "num_attention_heads": 0}, "num_attention_heads must be a positive whole number"),
        ([], "must hold a JSON object"),
    ],
)
def test_a_configuration_that_is_not_understood_is_refused(values: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=message):
        read_model_shape(tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_model_shape(tmp_path / "missing")


@pytest.mark.parametrize(
    ("device", "key"),
    [
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100-PCIE-40GB", "a100-40gb"),
        ("NVIDIA H100 80GB HBM3", "h100-80gb"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA A10G", "a10g"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("Tesla V100-SXM2-16GB", "v100-16gb"),
    ],
)
def test_devices_are_known_by_the_names_they_have(device: str, key: str) -> None:
    assert named_accelerator(device) is accelerator(key)
    assert peak_flops(device, "bfloat16") == accelerator(key).bfloat16


def test_a_rate_that_is_not_known_is_none() -> None:
    assert peak_flops("cpu", "bfloat16") is None
    assert peak_flops("NVIDIA L40", "bfloat16") is None
    assert peak_flops("Tesla V100-SXM2-16GB", "bfloat16") is None
    assert peak_flops("Tesla V100-SXM2-16GB", "float16") == 125e12
    with pytest.raises(ConfigError, match="known: b200"):
        accelerator("h300")

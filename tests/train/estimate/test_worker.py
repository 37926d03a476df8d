"""The estimate against what PyTorch keeps, and against what must hold of any estimate."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig as PeftConfig
from peft import get_peft_model
from torch.nn import functional
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from octupus.train.config import LoraConfig, StageConfig
from octupus.train.engine.plain_engine import PlainEngine
from octupus.train.estimate import activation_memory
from octupus.train.estimate.activation_memory import PackSettings, pack_memory
from octupus.train.estimate.flops import ModelShape, model_shape
from octupus.train.estimate.remedies import find_remedies
from octupus.train.estimate.worker import PackTotals, estimate_stage, trained_parameters, worker_memory
from octupus.train.forward import chunked_loss
from octupus.train.forward.attention import PACKED, no_mask, register_attention

TOKENS = 384
TRAINED = 200
SIZES: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
}
SEVEN_BILLION = ModelShape(152064, 3584, 18944, 28, 28, 4, 128, False, query_bias=True)
PACKS = PackTotals(20_000, 8192, 160_000_000, 60_000_000, 100_000_000_000, 6000)


@contextmanager
def saved_for_backward(model: torch.nn.Module) -> Iterator[dict[int, int]]:
    """Bytes of each storage that autograd keeps while the block runs, without those of parameters."""
    known = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    sizes: dict[int, int] = {}
    tensors = []  # kept, so that no storage is used again

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
            tensors.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield sizes


def measured_and_estimated(
    config: Any,
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    lora: LoraConfig | None = None,
) -> tuple[int, int]:
    register_attention()
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).to(dtype).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if lora is not None:
        target = lora.target if isinstance(lora.target, str) else list(lora.target)
        model = get_peft_model(
            model,
            PeftConfig(r=lora.rank, target_modules=target, lora_dropout=lora.dropout),
            autocast_adapter_dtype=False,
        )
        model.enable_input_require_grads()  # as training the rows of control tokens does
    ids = torch.arange(TOKENS)[None]
    positions = torch.cat([torch.arange(TOKENS // 3), torch.arange(TOKENS - TOKENS // 3)])[None]
    kept = torch.arange(10, 10 + TRAINED)
    inputs: dict[str, Any] = {"input_ids": ids, "position_ids": positions, "logits_to_keep": kept}
    if attention == PACKED:
        starts = torch.tensor([0, TOKENS // 3, TOKENS], dtype=torch.int32)
        inputs |= {"attention_mask": no_mask(ids.device), "cu_seq_lens_q": starts, "max_length_q": TOKENS}
    with saved_for_backward(model) as sizes:
        logits = model(**inputs, use_cache=False).logits[0]
        functional.cross_entropy(logits.float(), ids[0, kept + 1], reduction="sum")
    settings = PackSettings(TOKENS, TRAINED, dtype.itemsize, attention, checkpointing, False, lora)
    memory = pack_memory(model_shape(config.to_dict()), settings)
    return sum(sizes.values()), memory.at_loss + memory.saved_logits


QWEN2 = Qwen2Config(**SIZES, tie_word_embeddings=True)
CASES: dict[str, tuple[Any, ...]] = {
    "qwen2": (QWEN2,),
    "qwen2 bfloat16": (QWEN2, "sdpa", torch.bfloat16),
    "qwen2 eager": (QWEN2, "eager"),
    "qwen2 eager bfloat16": (QWEN2, "eager", torch.bfloat16),
    "qwen2 packed": (QWEN2, PACKED),
    "qwen2 packed bfloat16": (QWEN2, PACKED, torch.bfloat16),
    "qwen3": (Qwen3Config(**SIZES, head_dim=32),),
    "qwen3 bfloat16": (Qwen3Config(**SIZES, head_dim=32), "sdpa", torch.bfloat16),
    "llama": (LlamaConfig(**SIZES),),
    "adapters": (QWEN2, "sdpa", torch.float32, False, LoraConfig(rank=8, train_control_tokens=False)),
    "adapters with dropout": (
        QWEN2,
        "sdpa",
        torch.bfloat16,
        False,
        LoraConfig(rank=8, dropout=0.1, train_control_tokens=False),
    ),
    "two adapters": (
        QWEN2,
        "sdpa",
        torch.float32,
        False,
        LoraConfig(rank=8, target=("q_proj", "v_proj"), train_control_tokens=False),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_activations_are_those_that_autograd_keeps(case: tuple[Any, ...]) -> None:
    measured, estimated = measured_and_estimated(*case)
    assert estimated == pytest.approx(measured, rel=0.03)


def test_with_checkpointing_only_the_inputs_of_layers_are_kept() -> None:
    measured, estimated = measured_and_estimated(QWEN2, checkpointing=True)
    # What the recomputation is called with besides the layer's input is kept where autograd's hooks do not see it.
    mask, cosines_and_sines = TOKENS**2, 2 * 4 * 16 * TOKENS
    assert estimated == pytest.approx(measured + mask + cosines_and_sines, rel=0.01)


def test_the_chunk_is_that_of_the_loss() -> None:
    assert activation_memory.CHUNK_LOGITS == chunked_loss.CHUNK_LOGITS


def stage(tmp_path: Path, **changes: Any) -> StageConfig:
    values: dict[str, Any] = {
        "run": {"name": "run", "storage": str(tmp_path)},
        "model": tmp_path,
        "data": {"directory": tmp_path, "packs_per_step": 64},
        "scaling": {"workers": "auto"},
    }
    return StageConfig.model_validate(values | changes)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_plain_engine_holds_what_is_estimated(dtype: str, tmp_path: Path) -> None:
    config = stage(
        tmp_path,
        engine={"kind": "plain", "dtype": dtype},
        scaling={"workers": 1},
        data={"directory": tmp_path, "packs_per_step": 2},
    )
    model = AutoModelForCausalLM.from_config(QWEN2).to(getattr(torch, dtype))
    engine = PlainEngine(model, config)
    for _ in range(2):
        engine.backward(model(input_ids=torch.arange(8)[None]).logits.float().sum())
    gradients = [parameter.grad for parameter in (*engine._masters, *engine._trained)]
    engine.step(1e-3)
    state = [tensor for entry in engine._optimizer.state.values() for tensor in entry.values() if tensor.ndim]
    masters = [] if engine._masters is engine._trained else engine._masters

    packs = PackTotals(2, 100_000, 200_000, 2, 2, 1)  # activations so large that the moment is in a layer
    memory = worker_memory(config, model_shape(QWEN2.to_dict()), packs, 1, on_gpu=False).device
    assert memory.moment == "a layer's backward pass"
    assert memory.weights == size(model.parameters())
    assert memory.optimizer == size([*state, *masters])
    transient = 0 if dtype == "float32" else size(model.parameters())  # turned into float32 after the backward pass
    assert memory.gradients == size({id(g): g for g in gradients if g is not None}.values()) + transient


def size(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def test_zero_shards_more_with_each_stage_and_offloading_moves_to_the_host(tmp_path: Path) -> None:
    engines: list[dict[str, Any]] = [{"zero_stage": number} for number in (1, 2, 3)]
    engines.append({"zero_stage": 3, "offload_optimizer": "cpu"})
    engines.append({"zero_stage": 3, "offload_optimizer": "cpu", "offload_parameters": "cpu"})
    memories = [worker_memory(stage(tmp_path, engine=engine), SEVEN_BILLION, PACKS, 8) for engine in engines]
    assert all(more.device.total > less.device.total for more, less in pairwise(memories))
    assert [memory.host > 0 for memory in memories] == [False, False, False, True, True]
    states = [memory.device.weights + memory.device.optimizer for memory in memories]
    # Mixed precision: 2 bytes of weights, 12 of float32 copies and moments (arXiv 1910.02054, section 3.1).
    billions = SEVEN_BILLION.parameters
    assert states[:3] == pytest.approx([(2 + 12 / 8) * billions, (2 + 12 / 8) * billions, 14 / 8 * billions])


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_more_workers_never_need_more_each(zero_stage: int, tmp_path: Path) -> None:
    config = stage(tmp_path, engine={"zero_stage": zero_stage})
    totals = [worker_memory(config, SEVEN_BILLION, PACKS, workers).device.total for workers in (2, 4, 8, 16, 32, 64)]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > totals[-1]


def test_what_saves_memory_saves_it(tmp_path: Path) -> None:
    def total(**changes: Any) -> int:
        return worker_memory(stage(tmp_path, **changes), SEVEN_BILLION, PACKS, 8).device.total

    usual = total()
    assert total(engine={"gradient_checkpointing": True}) < usual
    assert total(engine={"cross_entropy": "chunked"}) < usual
    assert total(engine={"attn_implementation": "packed"}) < usual
    assert total(lora={}) < usual
    assert total(engine={"dtype": "float32"}) > usual
    assert total(engine={"attn_implementation": "eager"}) > usual


def test_a_deepspeed_file_of_ones_own_counts(tmp_path: Path) -> None:
    file = tmp_path / "deepspeed.json"
    file.write_text('{"zero_optimization": {"reduce_bucket_size": 500000000}}')
    usual = worker_memory(stage(tmp_path), SEVEN_BILLION, PACKS, 8).device
    wider = worker_memory(stage(tmp_path, engine={"deepspeed_config": file}), SEVEN_BILLION, PACKS, 8).device
    assert wider.buffers - usual.buffers == 2 * 450_000_000


def test_steps_tokens_and_hours(tmp_path: Path) -> None:
    config = stage(tmp_path, data={"directory": tmp_path, "packs_per_step": 64, "epochs": 2})
    estimate = estimate_stage(config, SEVEN_BILLION, PACKS, 8, peak_flops=989e12, mfu=0.4)
    assert estimate.steps == 625
    assert estimate.tokens == 2 * PACKS.tokens
    assert estimate.hours == pytest.approx(estimate.flops / (8 * 989e12 * 0.4 * 3600))
    assert estimate_stage(config, SEVEN_BILLION, PACKS, 8).hours is None
    half = estimate_stage(config, SEVEN_BILLION, PACKS, 16, peak_flops=989e12, mfu=0.4).hours
    assert half is not None
    assert half == pytest.approx(estimate.hours / 2)


@pytest.mark.parametrize("limit_gib", [4, 8, 16, 24, 40, 60, 80])
def test_remedies_fit_and_change_no_more_than_they_must(limit_gib: int, tmp_path: Path) -> None:
    config = stage(tmp_path)

    def fits(changed: StageConfig, workers: int) -> bool:
        return worker_memory(changed, SEVEN_BILLION, PACKS, workers).device.total <= limit_gib * 2**30

    assert not fits(config, 2)
    remedies = find_remedies(config, 2, fits)
    assert bool(remedies) == (limit_gib > 4)
    assert all(fits(remedy.config, remedy.workers) for remedy in remedies)
    changes = [set(remedy.changes) for remedy in remedies]
    assert not any(less < more for less in changes for more in changes)
    assert len(remedies) == 1 or all(len(names) == 1 for names in changes)


def test_trained_parameters_of_adapters(tmp_path: Path) -> None:
    assert trained_parameters(stage(tmp_path), SEVEN_BILLION) == SEVEN_BILLION.parameters
    assert trained_parameters(stage(tmp_path, lora={"rank": 16}), SEVEN_BILLION) == 40_370_176

"""Memory that `octupus plan` predicts beside memory that training takes: one process, float32, packs of 1024 tokens.

    python benchmarks/plan_memory.py

Each line is a process of its own that trains three steps on the CPU with the plain engine. "tensors" is the most that
PyTorch's allocator held at a time, which the prediction is of; "process" the growth of the peak resident set after
a tiny model was trained, which also holds what libraries keep for themselves.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
from pathlib import Path

import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from transformers import AutoModelForCausalLM, PreTrainedConfig, Qwen2Config

from octupus.train.config import StageConfig
from octupus.train.engine.plain_engine import PlainEngine
from octupus.train.estimate.flops import model_shape
from octupus.train.estimate.worker import DeviceMemory, PackTotals, worker_memory

TOKENS = 1024
TRAINED = 600
STEPS = 3
MODELS = {
    "448 wide, 6 layers, vocabulary 8192, tied": Qwen2Config(
        hidden_size=448,
        intermediate_size=1536,
        num_hidden_layers=6,
        num_attention_heads=7,
        num_key_value_heads=1,
        vocab_size=8192,
        tie_word_embeddings=True,
    ),
    "256 wide, 4 layers, vocabulary 32768": Qwen2Config(
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        vocab_size=32768,
        tie_word_embeddings=False,
    ),
}

TINY = Qwen2Config(
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=1,
    num_key_value_heads=1,
    vocab_size=64,
)


def stage(checkpointing: bool) -> StageConfig:
    """One pack a step, one process."""
    here = Path(tempfile.gettempdir())
    return StageConfig.model_validate(
        {
            "run": {"name": "plan", "storage": str(here)},
            "model": here,
            "data": {"directory": here, "packs_per_step": 1},
            "scaling": {"workers": 1},
            "engine": {
                "kind": "plain",
                "dtype": "float32",
                "attn_implementation": "sdpa",
                "gradient_checkpointing": checkpointing,
            },
        }
    )


def predict(model: PreTrainedConfig, config: StageConfig) -> DeviceMemory:
    """What the plan says."""
    packs = PackTotals(1, TOKENS, TOKENS, TRAINED, TOKENS**2 // 2, TRAINED)
    return worker_memory(config, model_shape(model.to_dict()), packs, workers=1, on_gpu=False).device


def train(shape: PreTrainedConfig, config: StageConfig) -> None:
    """Build the model and train."""
    model = AutoModelForCausalLM.from_config(shape, attn_implementation="sdpa").train()
    if config.engine.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    engine = PlainEngine(model, config)
    ids = torch.randint(0, shape.vocab_size, (1, TOKENS))
    positions = torch.arange(TOKENS // 2).repeat(2)[None]
    kept = torch.arange(TRAINED)

    def loss() -> torch.Tensor:  # a function, as in training, so that nothing holds the logits in the backward pass
        inputs = {"input_ids": ids, "position_ids": positions, "logits_to_keep": kept}
        logits = engine.forward(**inputs, use_cache=False).logits[0]
        return functional.cross_entropy(logits.float(), ids[0, kept + 1], reduction="sum")

    for _ in range(STEPS):
        engine.backward(loss())
        engine.step(1e-4)


def process_growth(case: tuple[str, bool]) -> int:
    """Growth of the peak resident set in bytes."""
    torch.set_num_threads(1)
    train(TINY, stage(case[1]))  # loads what libraries load with the first model
    before = _peak_resident()
    train(MODELS[case[0]], stage(case[1]))
    return _peak_resident() - before


def peak_of_tensors(case: tuple[str, bool]) -> int:
    """Most bytes that PyTorch's allocator held at a time."""
    torch.set_num_threads(1)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        train(MODELS[case[0]], stage(case[1]))
    held = peak = 0
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def _peak_resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Print the table."""
    print(
        f"{'model':44} {'recomputes':>10} {'predicted':>9} {'tensors':>8} {'ratio':>6} {'process':>8} {'ratio':>6}  MiB"
    )
    spawn = multiprocessing.get_context("spawn")
    for name, model in MODELS.items():
        for checkpointing in (False, True):
            memory = predict(model, stage(checkpointing))
            measured = []
            for measure in (peak_of_tensors, process_growth):
                with spawn.Pool(1) as pool:
                    measured.append(pool.apply(measure, ((name, checkpointing),)))
            tensors, process = measured
            print(
                f"{name:44} {'yes' if checkpointing else 'no':>10} {memory.total / 2**20:9.0f} {tensors / 2**20:8.0f} "
                f"{memory.total / tensors:6.2f} {process / 2**20:8.0f} {memory.total / process:6.2f}"
                f"  during {memory.moment}"
            )


if __name__ == "__main__":
    main()

"""What two workers trained answers alike in transformers and in vLLM: `make soak`; numbers in docs/promises.md."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from octupus.train.config import (
    DataConfig,
    EngineConfig,
    LoraConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
    VocabularyConfig,
)
from octupus.train.model.merge import merge
from octupus.train.model.merge_config import MergeConfig
from octupus.train.model.vocabulary import edit_vocabulary
from octupus.train.packs.feed import Document, PackFeed
from octupus.train.packs.prepared import read_prepared
from tests.integration.worker_processes import Trained, train_in_processes
from tests.train.tiny_model import write_base_model, write_packs

pytestmark = pytest.mark.timeout(1800)

PROMPTS = 8
NEW_TOKENS = 24

ASK_VLLM = """
import json, sys
from vllm import LLM, SamplingParams
model, prompts, new_tokens = json.load(sys.stdin)
engine = LLM(model=model, dtype="float32", max_model_len=512, enforce_eager=True, max_num_seqs=4)
settings = SamplingParams(temperature=0.0, max_tokens=new_tokens, ignore_eos=True)
answers = engine.generate([{"prompt_token_ids": prompt} for prompt in prompts], settings, use_tqdm=False)
print("ANSWERS", json.dumps([list(answer.outputs[0].token_ids) for answer in answers]))
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Directories by name: tied and untied embeddings, all weights and merged adapters, ZeRO 2 and 3."""
    directory = tmp_path_factory.mktemp("exports")
    stages = []
    for model in ("tied", "untied"):
        # vLLM's attention on CPU wants heads of a multiple of 32.
        base = write_base_model(directory / f"{model}_base", tied=model == "tied", hidden=128)
        edit_vocabulary(VocabularyConfig(base=base, output=directory / model))
        write_packs(directory / f"{model}_data", directory / model)
        for kind, lora in (("full", None), ("lora", LoraConfig(rank=8, alpha=16))):
            stages.append(
                StageConfig(
                    run=RunConfig(name=f"{model}_{kind}", storage=str(directory / "runs")),
                    model=directory / model,
                    data=DataConfig(directory=directory / f"{model}_data", packs_per_step=4, steps=40),
                    optimizer=OptimizerConfig(lr=5e-3, min_lr=5e-4, warmup_steps=3),
                    lora=lora,
                    engine=EngineConfig(zero_stage=2 if lora else 3, dtype="float32"),
                    scaling=ScalingConfig(workers=2),
                    export=directory / "exports" / f"{model}_{kind}",
                )
            )
    train_in_processes([Trained(stage) for stage in stages], 2, directory, timeout_s=900)
    found = {stage.run.name: stage.export for stage in stages if stage.export is not None}
    for name in ("tied_lora", "untied_lora"):
        found[name] = merge(MergeConfig(adapter=found[name], output=directory / "merged" / name))
    return found


def before_answer(document: Document) -> list[int]:
    """What comes before the first trained token."""
    return [int(token) for token in np.asarray(document.ids)[: int(np.argmax(document.trained))]]


def greedy(model: Any, prompt: list[int]) -> list[int]:
    """The likeliest tokens, the end of a turn among them: nothing is suppressed."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(NEW_TOKENS):
            following = model(input_ids=ids, use_cache=False).logits[:, -1:].argmax(dim=-1)
            ids = torch.cat([ids, following], dim=1)
    tokens: list[int] = ids[0, len(prompt) :].tolist()
    return tokens


@pytest.mark.parametrize("name", ["tied_full", "untied_full", "tied_lora", "untied_lora"])
def test_greedy_tokens_are_the_same(exports: dict[str, Path], name: str) -> None:
    export = exports[name]
    data = read_prepared(export.parents[1] / f"{name.split('_')[0]}_data")
    feed = PackFeed(data.shards)
    prompts = [before_answer(feed.documents(pack)[0]) for pack in range(PROMPTS)]
    model = AutoModelForCausalLM.from_pretrained(export, dtype=torch.float32)
    expected = [greedy(model, prompt) for prompt in prompts]
    answer = subprocess.run(
        [sys.executable, "-c", ASK_VLLM],
        input=json.dumps([str(export), prompts, NEW_TOKENS]),
        env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING", "VLLM_PLUGINS": ""},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert answer.returncode == 0, answer.stderr[-4000:]
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("ANSWERS ")]
    assert json.loads(line.removeprefix("ANSWERS ")) == expected
    if name.endswith("full"):  # so few steps teach adapters one answer only
        assert len({tuple(tokens) for tokens in expected}) > 1

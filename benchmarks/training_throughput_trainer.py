"""transformers' Trainer on the documents of training_throughput.py, which starts it with torchrun.

    torchrun --nproc-per-node 2 training_throughput_trainer.py SETTINGS.json

Writes a line for each step: its number, loss, tokens, slots and seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["DS_ACCELERATOR"] = "cpu"

import deepspeed
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    DataCollatorWithFlattening,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

# As octupus does: saves the build of an extension that training never calls.
deepspeed.ops.__compatible_ops__ = {}


class Flattening:
    """Packs to one row of documents side by side, which `position_ids` keep apart; without an attention mask."""

    def __init__(self) -> None:
        self._collator = DataCollatorWithFlattening(return_tensors="pt")

    def __call__(self, packs: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch of the packs."""
        return self._collator([document for pack in packs for document in pack["documents"]])


class StepLines(TrainerCallback):
    """Writes each step when it is logged, which is the end of what the Trainer does for it."""

    def __init__(self, file: Path, counts: list[dict[str, int]]) -> None:
        self._stream = file.open("w")
        self._counts = counts
        self._before = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **others: Any) -> None:
        """One line on rank 0; the last log, of the whole run, has no loss."""
        if not state.is_world_process_zero or "loss" not in logs:
            return
        now = time.perf_counter()
        line = {"step": state.global_step, "loss": logs["loss"], "grad_norm": logs["grad_norm"]}
        line |= {"step_s": now - self._before, **self._counts[state.global_step - 1]}
        self._before = now
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()


def main(settings: dict[str, Any]) -> None:
    """Train."""
    torch.set_num_threads(1)
    arguments = TrainingArguments(
        output_dir=settings["output"],
        use_cpu=True,
        per_device_train_batch_size=settings["batch"],
        gradient_accumulation_steps=settings["accumulation"],
        max_steps=settings["steps"],
        train_sampling_strategy="sequential",
        learning_rate=settings["lr"],
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        weight_decay=0.0,
        max_grad_norm=1.0,
        deepspeed=settings["deepspeed"],
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    rows = json.loads(Path(settings["rows"]).read_text())
    if settings["packed"]:
        collator: Any = Flattening()
    else:
        collator = DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(settings["model"]))
    model = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32, attn_implementation="sdpa")
    Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collator,
        callbacks=[StepLines(Path(settings["lines"]), settings["counts"])],
    ).train()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))

"""Loading the model that a stage trains."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

from octupus.chat.registry import ModelChat
from octupus.train.config import StageConfig
from octupus.train.forward.attention import PACKED, register_attention
from octupus.train.model.lora import add_adapters


def load_model(config: StageConfig, chat: ModelChat, device: torch.device) -> Any:
    """The start model on `device`, in training mode, with adapters where the configuration asks for them.

    With ZeRO-3 (inside `deepspeed_engine.sharded_loading`) each worker holds its share of every weight.
    """
    from transformers import AutoModelForCausalLM

    register_attention()
    model = AutoModelForCausalLM.from_pretrained(
        config.model,
        dtype=getattr(torch, config.engine.dtype),
        attn_implementation=attention_name(config.engine.attn_implementation, device),
    )
    if config.engine.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if config.lora is not None:
        control_ids = [chat.tokenizer.control_id(token) for token in chat.dialect.control_tokens]
        model = add_adapters(model, config.lora, control_ids)
    if config.engine.kind == "plain" or config.engine.zero_stage < 3:
        model.to(device)
    return model.train()


def attention_name(setting: str, device: torch.device) -> str:
    """What `engine.attn_implementation` means on this device."""
    if setting != "auto":
        return setting
    if device.type == "cpu":
        return PACKED
    return "flash_attention_2" if importlib.util.find_spec("flash_attn") else "sdpa"

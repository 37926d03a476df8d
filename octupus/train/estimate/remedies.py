"""What makes a stage fit that does not: changes of its configuration, the cheapest first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from octupus.train.config import LoraConfig, StageConfig

MOST_WORKERS = 1024
"""Workers beyond which no remedy is looked for."""

ADAPTERS = f"LoRA (lora.rank {LoraConfig().rank})"


@dataclass(frozen=True, slots=True)
class Remedy:
    """A changed stage that fits."""

    changes: tuple[str, ...]
    """Keys with their values, in the order of their cost."""
    config: StageConfig
    workers: int


Fits = Callable[[StageConfig, int], bool]


def find_remedies(config: StageConfig, workers: int, fits: Fits) -> list[Remedy]:
    """Single changes each of which makes the stage fit, the cheapest first.

    When none does, one remedy of several changes: as many of the cheapest as it takes, without those that turn out
    not to matter. [] when nothing helps. LoRA comes last, since it trains something else.
    """
    updates = list(_updates(config))
    single = [
        Remedy(_named([update]), _changed(config, [update]), workers)
        for update in updates
        if fits(_changed(config, [update]), workers)
    ]
    single += _enough_workers(config, workers, [], fits)
    if config.lora is None and fits(_with_adapters(config), workers):
        single.append(Remedy((ADAPTERS,), _with_adapters(config), workers))
    single = [remedy for remedy in single if not any(set(less.changes) < set(remedy.changes) for less in single)]
    return single or _several(config, workers, updates, fits)


def _several(config: StageConfig, workers: int, updates: list[dict[str, Any]], fits: Fits) -> list[Remedy]:
    for count in range(2, len(updates) + 1):
        if fits(_changed(config, updates[:count]), workers):
            needed = _without_idle(config, workers, updates[:count], fits)
            return [Remedy(_named(needed), _changed(config, needed), workers)]
    more = _enough_workers(config, workers, updates, fits)
    adapters = _with_adapters(_changed(config, updates))
    if not more and config.lora is None and fits(adapters, workers):
        return [Remedy((*_named(updates), ADAPTERS), adapters, workers)]
    return more


def _enough_workers(config: StageConfig, workers: int, updates: list[dict[str, Any]], fits: Fits) -> list[Remedy]:
    """The fewest workers that make it fit beside `updates`: one remedy or none."""
    for count in _more_workers(config, workers):
        if fits(_changed(config, updates), count):
            needed = _without_idle(config, count, updates, fits)
            return [Remedy((*_named(needed), f"{count} GPUs"), _changed(config, needed), count)]
    return []


def _updates(config: StageConfig) -> Iterator[dict[str, Any]]:
    """Changes of `engine`, by what they cost: nothing, a little time, more communication, a third more time, transfers.

    What DeepSpeed shards or offloads is out of the plain engine's reach.
    """
    engine = config.engine
    sharded = engine.kind == "deepspeed"
    if engine.attn_implementation in ("auto", "sdpa", "eager"):
        yield {"attn_implementation": "packed"}
    if sharded and engine.zero_stage == 1:
        yield {"zero_stage": 2}
    if engine.cross_entropy == "full":
        yield {"cross_entropy": "chunked"}
    if sharded and engine.zero_stage < 3:
        yield {"zero_stage": 3}
    if not engine.gradient_checkpointing:
        yield {"gradient_checkpointing": True}
    if sharded and engine.offload_optimizer == "none":
        yield {"offload_optimizer": "cpu"}
    if sharded and engine.offload_parameters == "none":
        yield {"zero_stage": 3, "offload_parameters": "cpu"}


def _more_workers(config: StageConfig, workers: int) -> Iterator[int]:
    """The next larger numbers of workers that share a step's packs equally. One worker is all the plain engine has."""
    if config.engine.kind == "plain":
        return
    for count in range(workers + 1, min(config.data.packs_per_step, MOST_WORKERS) + 1):
        if config.data.packs_per_step % count == 0:
            yield count


def _without_idle(config: StageConfig, workers: int, updates: list[dict[str, Any]], fits: Fits) -> list[dict[str, Any]]:
    """`updates` without those, the dearest first, that fitting does not need."""
    needed = list(updates)
    for update in reversed(updates):
        rest = [other for other in needed if other is not update]
        if fits(_changed(config, rest), workers):
            needed = rest
    return needed


def _changed(config: StageConfig, updates: list[dict[str, Any]]) -> StageConfig:
    engine = config.engine
    for update in updates:
        engine = engine.model_copy(update=update)
    return config.model_copy(update={"engine": engine})


def _with_adapters(config: StageConfig) -> StageConfig:
    return config if config.lora is not None else config.model_copy(update={"lora": LoraConfig()})


def _named(updates: list[dict[str, Any]]) -> tuple[str, ...]:
    merged: dict[str, Any] = {}
    for update in updates:
        merged |= update
    return tuple(f"engine.{key} {str(value).lower()}" for key, value in merged.items())

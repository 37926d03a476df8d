"""Loss on held-out packs."""

from __future__ import annotations

import torch

from octupus.train.config import EvaluationConfig
from octupus.train.engine.interface import Engine
from octupus.train.forward.loss import LossSettings, cross_entropy_sum
from octupus.train.group import WorkerGroup
from octupus.train.packs.feed import PackFeed, empty_pack
from octupus.train.packs.prepared import read_prepared


class HeldOut:
    """The packs that are looked at, shared out among the workers."""

    def __init__(self, config: EvaluationConfig, group: WorkerGroup) -> None:
        self._feed = PackFeed(read_prepared(config.directory).shards)
        self._packs = min(config.packs, len(self._feed))
        self._group = group

    def loss(self, engine: Engine, settings: LossSettings) -> float:
        """Mean cross-entropy of their trained tokens, in nats. Collective; leaves the random generators alone."""
        group = self._group
        training = engine.module.training
        engine.module.eval()  # dropout off
        total, trained = 0.0, 0
        with torch.no_grad():
            # Workers with a pack fewer look at an empty one, since ZeRO-3 gathers weights in every forward pass.
            for first in range(0, self._packs, group.world):
                pack_id = first + group.rank
                pack = self._feed.read(pack_id) if pack_id < self._packs else empty_pack()
                total += float(cross_entropy_sum(engine.forward, pack.to(group.device), settings))
                trained += pack.trained_tokens
        engine.module.train(training)
        loss_sum, tokens = group.sum([total, trained])
        return loss_sum / max(tokens, 1.0)

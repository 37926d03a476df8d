"""Serving: one engine replica a GPU at full load, ingresses in front of them, one Serve controller (octupus/serve)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.cluster_scaling import constants as c
from benchmarks.cluster_scaling.resource import Cluster, Use
from octupus.serve.config import EngineConfig
from octupus.serve.engine.coalescing import window_s


@dataclass(frozen=True)
class Serving:
    """All GPUs answer as many requests as they can."""

    cluster: Cluster
    ingresses: int = 1
    """`replicas.ingresses`."""
    prefer_cached_prefix: bool = True
    """`replicas.prefer_cached_prefix`."""

    @property
    def requests_per_s(self) -> float:
        """Of all replicas."""
        return self.cluster.gpus * c.GENERATED_RATE / c.ANSWER_TOKENS

    @property
    def items(self) -> float:
        """Streamed items of an answer: the first token, then one a window, or one a token where that is slower."""
        at_once: int = EngineConfig.model_fields["max_num_seqs"].default
        token_s = at_once / c.GENERATED_RATE
        return 1 + (c.ANSWER_TOKENS - 1) * token_s / max(window_s(at_once), token_s)

    def request_cpu(self) -> dict[str, float]:
        """CPU seconds of an ingress for one request, by what it does; they add up on its one event loop."""
        scan = c.SCAN_CPU * self.cluster.gpus if self.prefer_cached_prefix else 0.0
        return {
            "parsing, admitting, handing on": c.REQUEST_CPU,
            "streamed items": c.ITEM_CPU * c.INGRESS_SHARE * self.items,
            "prefix table": scan,
        }

    @property
    def probes_cpu(self) -> float:
        """Share of an ingress's core that goes to asking replicas for their queues, at most."""
        return c.PROBE_CPU * self.cluster.gpus / c.PROBE_PERIOD if self.prefer_cached_prefix else 0.0

    @property
    def ingresses_needed(self) -> int:
        """Ingresses that stay below the share of their core that they should use."""
        return math.ceil(self.requests_per_s * sum(self.request_cpu().values()) / (c.BUSY - self.probes_cpu))

    @property
    def known_ingress(self) -> float:
        """Share of later turns of a conversation that meet the ingress which knows where their prefix lies."""
        return 1 / self.ingresses

    def ingress_share(self) -> float:
        """Of the core of each ingress."""
        return self.requests_per_s / self.ingresses * sum(self.request_cpu().values()) + self.probes_cpu

    def controller_share(self) -> float:
        """Of the controller's one event loop: health checks of engines and ingresses."""
        return (self.cluster.gpus + self.ingresses) * c.CHECK_CPU / c.CHECK_PERIOD

    def haproxy_share(self, entries: int) -> float:
        """Of HAProxy's threads, when clients spread over `entries` nodes."""
        cpu = c.HAPROXY_REQUEST_CPU + self.items * c.HAPROXY_ITEM_CPU
        return self.requests_per_s / entries * cpu / c.HAPROXY_THREADS

    def table_bytes(self) -> float:
        """Prefix tables of one ingress when they are full."""
        return c.TABLE_BLOCKS * c.BLOCK_BYTES * self.cluster.gpus if self.prefer_cached_prefix else 0.0

    def uses(self) -> list[Use]:
        """Shares while the GPUs generate at full load."""
        on_node = math.ceil(self.ingresses / self.cluster.nodes)
        spread = " with ingresses_on any" if self.cluster.nodes > 1 else ""
        return [
            Use("ingress CPU", self.ingress_share(), f"replicas.ingresses {self.ingresses_needed}{spread}"),
            Use(
                "HAProxy, one entry node",
                self.haproxy_share(1),
                "proxy_location EveryNode and a load balancer over the nodes; RAY_SERVE_HAPROXY_NBTHREAD",
            ),
            Use("HAProxy, every node", self.haproxy_share(self.cluster.nodes), "RAY_SERVE_HAPROXY_NBTHREAD"),
            Use(
                "Serve controller",
                self.controller_share(),
                "engine.tensor_parallel_size (fewer replicas); HEALTH_CHECK_PERIOD_S is fixed",
            ),
            Use("masks, engine's process", c.GENERATED_RATE * c.MASK_CPU, "decoding.backend"),
            Use(
                "prefix tables, memory of a node",
                on_node * self.table_bytes() / c.NODE_MEMORY,
                "replicas.prefer_cached_prefix false",
            ),
        ]

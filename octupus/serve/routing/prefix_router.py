"""The request router that Serve runs in every process that holds a handle of EngineReplica."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from ray.serve._private.common import ReplicaID, RequestMetadata
from ray.serve._private.request_router import PowerOfTwoChoicesRequestRouter
from ray.serve.config import RequestRouterConfig
from ray.serve.request_router import PendingRequest, RunningReplica

from octupus.serve.routing.choice import Candidate, preferred_replica
from octupus.serve.routing.prefix_table import PrefixTable
from octupus.serve.routing.prompt_blocks import prompt_blocks


def request_router_config(prefer_cached_prefix: bool) -> RequestRouterConfig:
    """What `request_router_config` of the EngineReplica deployment is to be."""
    if not prefer_cached_prefix:
        return RequestRouterConfig()
    return RequestRouterConfig(request_router_class=f"{__name__}:PrefixRouter")


class PrefixRouter(PowerOfTwoChoicesRequestRouter):  # type: ignore[misc]  # Ray has no types
    """Power of two choices, after the replica that holds the prompt's beginning.

    Each handle has a router and thus a table of its own: with several ingress replicas each knows what went through
    itself. A conversation that changes its ingress is placed anew, which costs one prefill.

    A preferred replica is the first rank only. When it turns out to be full, does not answer or is gone, Serve asks the
    next rank in the same round, so no request waits for it.
    """

    def initialize_state(
        self, block_size: int = 64, blocks_per_replica: int = 16384, tokens_per_request: float = 256
    ) -> None:
        """Called by Serve with `request_router_kwargs`.

        `block_size` in tokens is a multiple of vLLM's 16 on GPUs and coarse enough that a prompt of 8k tokens is 128
        hashes. `blocks_per_replica` of them are a million tokens, about what a large GPU's cache holds, and at most
        2 MB of memory. `tokens_per_request`: see `preferred_replica`; a new turn of a conversation computes a few
        hundred tokens, and this is how long it holds up the others of its batch.
        """
        self._block_size = block_size
        self._tokens_per_request = tokens_per_request
        self._table: PrefixTable[ReplicaID] = PrefixTable(blocks_per_replica)
        self._dead: set[ReplicaID] = set()
        self._at_hand: WeakKeyDictionary[asyncio.Task[None], tuple[PendingRequest, list[int]]] = WeakKeyDictionary()

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Ranks of replicas: the preferred one, then two at random."""
        # Requests routed just now are counted as ongoing only once their senders have had a turn.
        await asyncio.sleep(0)
        preferred = await self._preferred(pending_request) if pending_request is not None else None
        ranks = await super().choose_replicas(candidate_replicas, pending_request)
        return [[preferred], *ranks] if preferred is not None else ranks

    async def _preferred(self, request: PendingRequest) -> RunningReplica | None:
        hashes = self._blocks(request)
        matched = {replica: self._table.matched_blocks(hashes, replica) for replica in self._replicas}
        if not any(matched.values()):
            return None
        unknown = [replica for replica in self._replicas.values() if self._ongoing(replica) is None]
        # Waits a tenth of a second at most; a replica that proves to be dead leaves self._replicas here.
        await self._probe_queue_lens(unknown, 0)
        candidates = [
            Candidate(replica, matched.get(replica.replica_id, 0) * self._block_size, ongoing)
            for replica in self._replicas.values()
            if (ongoing := self._ongoing(replica)) is not None and ongoing < replica.max_ongoing_requests
        ]
        return preferred_replica(candidates, self._tokens_per_request)

    def _ongoing(self, replica: RunningReplica) -> int | None:
        """Requests the replica is answering, where it was told or reckoned in the last ten seconds."""
        ongoing: int | None = self._replica_queue_len_cache.get(replica.replica_id)
        return ongoing

    def _blocks(self, request: PendingRequest) -> list[int]:
        """The request's blocks, hashed once for all its rounds."""
        task = asyncio.current_task()
        assert task is not None
        at_hand, hashes = self._at_hand.get(task, (None, []))
        if at_hand is not request:
            hashes = prompt_blocks(request.args, request.kwargs, self._block_size)
            self._at_hand[task] = request, hashes
        return hashes

    def _fulfill_next_pending_request(
        self, replica: RunningReplica, request_metadata: RequestMetadata | None = None
    ) -> None:
        """Give the chosen replica to the request that it was chosen for.

        Serve's own two ways do not: one gives it to the oldest request, the other to the request with this internal
        id, which all calls have in common that an ingress makes for one HTTP request, such as the answers of `n`.
        """
        task = asyncio.current_task()
        assert task is not None
        request, hashes = self._at_hand[task]
        if request.future.done():
            return
        self._record_queue_wait_time(request)
        request.future.set_result(replica)
        self._remove_pending_request_from_indices(request)
        # Not when it is accepted: requests that begin alike and come together should stay together.
        self._table.remember(hashes, replica.replica_id)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """Called when a request or a probe met a dead actor, often before the controller knows."""
        super().on_replica_actor_died(replica_id)
        self._dead.add(replica_id)
        self._table.forget(replica_id)

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Called with the controller's list, which may still hold a replica that is known here to be dead."""
        self._dead &= {replica.replica_id for replica in replicas}
        super().update_replicas([replica for replica in replicas if replica.replica_id not in self._dead])
        self._table.keep_only(self._replica_id_set)

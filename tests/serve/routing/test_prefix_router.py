"""The router in Serve's own base class, over replicas that tell no more than their queue lengths."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID, RequestMetadata
from ray.serve.request_router import PendingRequest

from octupus.serve.config import ReplicasConfig
from octupus.serve.routing.prefix_router import PrefixRouter, request_router_config

DEPLOYMENT = DeploymentID(name="EngineReplica", app_name="octupus")
PROMPTS = [[number] * 640 for number in range(4)]


@dataclass
class Told:
    """What a router sees of a replica."""

    name: str
    ongoing: int = 0
    answers: bool = True
    max_ongoing_requests: int = 8
    node_id: str = "node"
    availability_zone: str | None = None
    multiplexed_model_ids: set[str] = field(default_factory=set)

    @property
    def replica_id(self) -> ReplicaID:
        return ReplicaID(self.name, DEPLOYMENT)

    async def get_queue_len(self, *, deadline_s: float) -> int:
        if not self.answers:
            await asyncio.Event().wait()
        return self.ongoing


def router_of(*replicas: Told) -> PrefixRouter:
    router = PrefixRouter(
        deployment_id=DEPLOYMENT, handle_source=DeploymentHandleSource.REPLICA, use_replica_queue_len_cache=True
    )
    router.initialize_state()
    router.update_replicas(list(replicas))
    return router


def pending(prompt: Any, internal_request_id: str = "one HTTP request") -> PendingRequest:
    metadata = RequestMetadata(request_id="id", internal_request_id=internal_request_id)
    return PendingRequest(args=[prompt], kwargs={}, metadata=metadata)


async def routed(router: PrefixRouter, prompt: Any) -> str:
    replica = await asyncio.wait_for(router._choose_replica_for_request(pending(prompt)), 10)
    name: str = replica.name
    return name


@pytest.mark.parametrize("prefer", [True, False])
def test_the_configuration_names_the_router(prefer: bool) -> None:
    named = request_router_config(ReplicasConfig(prefer_cached_prefix=prefer).prefer_cached_prefix)
    assert named.is_default_request_router() is not prefer
    assert named.get_request_router_class().__name__ == ("PrefixRouter" if prefer else "PowerOfTwoChoicesRequestRouter")


def test_calls_of_one_http_request_each_get_their_own_replica() -> None:
    """Serve gives them one internal request id, and some of them are decided sooner than others."""

    async def run() -> None:
        replicas = [Told(name) for name in "abcd"]
        router = router_of(*replicas)
        homes = [await routed(router, prompt) for prompt in PROMPTS]
        assert len(set(homes)) > 1
        for number in range(20):
            # Requests that match wait for this one's word, new prompts do not.
            router.on_replica_actor_unavailable(replicas[number % 4].replica_id)
            new = [[10 + number, *prompt] for prompt in PROMPTS]
            answers = await asyncio.gather(*(routed(router, prompt) for prompt in PROMPTS + new))
            assert answers[: len(PROMPTS)] == homes

    asyncio.run(run())


def test_a_dead_replica_stays_out_though_the_controller_still_lists_it() -> None:
    async def run() -> None:
        replicas = [Told("a"), Told("b")]
        router = router_of(*replicas)
        home = await routed(router, PROMPTS[0])
        dead = next(replica for replica in replicas if replica.name == home)
        router.on_replica_actor_died(dead.replica_id)
        router.update_replicas([*replicas, Told("c")])
        moved = {await routed(router, prompt) for prompt in PROMPTS * 5}
        assert dead.name not in moved

    asyncio.run(run())


@pytest.mark.parametrize("trouble", [{"answers": False}, {"ongoing": 8}, {"ongoing": 7}])
def test_a_holder_in_trouble_is_not_waited_for(trouble: dict[str, Any]) -> None:
    """It does not answer, is full, or is much busier, and the router had no word of it for long."""

    async def run() -> None:
        replicas = [Told("a"), Told("b")]
        router = router_of(*replicas)
        home = await routed(router, PROMPTS[0])
        holder = next(replica for replica in replicas if replica.name == home)
        vars(holder).update(trouble)
        router.on_replica_actor_unavailable(holder.replica_id)
        assert await routed(router, PROMPTS[0]) != home

    asyncio.run(run())


@pytest.mark.parametrize("prompt", [None, "text", [None], [2**80], {}, []])
def test_odd_prompts_are_routed(prompt: Any) -> None:
    async def run() -> None:
        assert await routed(router_of(Told("a")), prompt) == "a"

    asyncio.run(run())

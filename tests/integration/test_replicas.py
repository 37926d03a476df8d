"""Engine replicas on real Ray Serve and vLLM, without an ingress: adapters, dying processes, models that do not load.

The tests share one application of two replicas, and run in this order.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.handle import DeploymentHandle

from octupus.chat.registry import model_chat
from octupus.config import resolve
from octupus.decoding.spec import TurnSpec
from octupus.errors import RequestError
from octupus.serve.config import ServeConfig
from octupus.serve.engine import deployment
from octupus.serve.engine.deployment import engine_deployment, nodes_of_cluster
from octupus.serve.engine.placement import placement
from octupus.serve.engine.sampling import Generated, Sampling

from .process_tree import alive, descendants, processes, wait_until
from .random_model import write_random_model

pytestmark = pytest.mark.timeout(900)

GREEDY = Sampling(24, temperature=0.0)
LONG = 980
END = 1
"""The end token of the test tokenizer, its second special one."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def prompt(model: Path) -> list[int]:
    return model_chat(model).tokenizer.encode("What is the weather in Paris?")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapters")


def deploy(name: str, **sections: Any) -> DeploymentHandle:
    config = resolve(ServeConfig, sections, name)
    bound = engine_deployment(config, placement(config.engine, nodes_of_cluster()))
    return serve.run(bound, name=name, route_prefix=None)


@pytest.fixture(scope="module")
def handle(model: Path, adapters: Path, private_ray: None) -> Iterator[DeploymentHandle]:
    yield deploy(
        "replicas",
        model={"source": model},
        engine={"max_model_len": 1024},
        adapters={"directory": adapters, "max_loaded": 1, "max_lora_rank": 8},
        # Requests with the same prompt are to meet both replicas.
        replicas={"engines": 2, "drain_timeout_s": 60, "prefer_cached_prefix": False},
    )
    serve.shutdown()


def generate(handle: DeploymentHandle, prompt: list[int], sampling: Sampling, **more: Any) -> list[int]:
    arguments = {"spec": None, "generated": [], "adapter": None, "request_id": "r"} | more
    stream = handle.options(stream=True).generate.remote(prompt, sampling, **arguments)
    return [token for item in received(stream) for token in item.ids]


def received(stream: Iterable[Any]) -> Iterator[Generated]:
    """A replica's items, which come as plain tuples."""
    return (Generated(*fields) for fields in stream)


def endless(seed: int) -> Sampling:
    """LONG tokens, whatever is drawn: the end token is out of the question."""
    return Sampling(LONG, seed=seed, logit_bias={END: -100.0})


def actors() -> set[int]:
    """The processes of this test's own replicas."""
    mine = descendants(os.getpid())
    return {each.pid for each in mine if "ServeReplica:" in each.name and "EngineReplica" in each.name}


def running_replicas() -> int:
    """Those that Serve takes for ready."""
    return serve.status().applications["replicas"].deployments["EngineReplica"].replica_states.get("RUNNING", 0)


def cores(actor: int) -> set[int]:
    return {each.pid for each in descendants(actor) if "VLLM::" in each.name}


def write_adapter(model: Path, directory: Path, seed: int, **changes: Any) -> Any:
    """A random adapter on disk, and PEFT's model with it."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = peft.LoraConfig(
        **{"r": 4, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj", "down_proj"]} | changes
    )
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), config)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter.data, std=0.3)
    adapted.save_pretrained(directory)
    return adapted


def greedy(model: Any, prompt: list[int], end_id: int) -> list[int]:
    import torch

    ids = list(prompt)
    with torch.no_grad():
        for _ in range(GREEDY.max_tokens):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == end_id:
                break
    return ids[len(prompt) :]


def test_adapters_answer_as_peft_does_and_are_reloaded_when_they_change(
    handle: DeploymentHandle, model: Path, adapters: Path, prompt: list[int]
) -> None:
    end_id = model_chat(model).tokenizer.end_id
    base = generate(handle, prompt, GREEDY)
    wanted = {
        name: greedy(write_adapter(model, adapters / name, seed), prompt, end_id) for name, seed in (("a", 1), ("b", 2))
    }
    assert len({tuple(base), *map(tuple, wanted.values())}) == 3
    # Only one fits at once, so that each of these evicts the other; and both replicas are asked.
    for name in ["a", "b"] * 3:
        assert generate(handle, prompt, GREEDY, adapter=name) == wanted[name]
    assert generate(handle, prompt, GREEDY) == base
    changed = greedy(write_adapter(model, adapters / "a", 3), prompt, end_id)
    assert changed != wanted["a"]
    assert generate(handle, prompt, GREEDY, adapter="a") == changed


def test_an_adapter_that_cannot_be_served_is_refused_and_the_engine_lives(
    handle: DeploymentHandle, model: Path, adapters: Path, prompt: list[int]
) -> None:
    before = actors()
    write_adapter(model, adapters / "large", 1, r=16)
    write_adapter(model, adapters / "torn", 1)
    (adapters / "torn" / "adapter_model.safetensors").write_bytes(b"torn")
    for name, message in (
        ("large", "rank is 16"),
        ("torn", "cannot be loaded"),
        ("other", "adapters served: 'a', 'b', 'large', 'torn'"),
    ):
        for _ in range(2):
            with pytest.raises(RequestError, match=message):
                generate(handle, prompt, GREEDY, adapter=name)
    assert generate(handle, prompt, GREEDY)
    assert actors() == before


def test_a_constrained_answer_goes_on_in_another_call(handle: DeploymentHandle, prompt: list[int]) -> None:
    sampling = Sampling(40, seed=9)
    whole = generate(handle, prompt, sampling, spec=TurnSpec(max_tokens=40))
    assert len(whole) > 10
    rest = generate(handle, prompt, sampling, spec=TurnSpec(max_tokens=40), generated=whole[:10])
    assert whole[:10] + rest == whole


def test_a_replica_whose_engine_dies_while_idle_is_replaced(handle: DeploymentHandle, prompt: list[int]) -> None:
    before = actors()
    assert len(before) == 2
    actor = min(before)
    parts = cores(actor)
    core = next(each.pid for each in descendants(actor) if "EngineCore" in each.name)
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: not alive({actor}), "the replica exits")
    wait_until(lambda: not alive(parts), "its engine's processes are gone")
    wait_until(lambda: len(actors()) == 2 and all(len(cores(each)) == len(parts) for each in actors()), "a new replica")
    assert generate(handle, prompt, GREEDY)


def test_streams_of_a_replica_whose_worker_dies_fail_at_once_and_no_process_is_left(
    handle: DeploymentHandle, prompt: list[int]
) -> None:
    wait_until(lambda: len(actors()) == 2 and running_replicas() == 2, "two replicas")
    time.sleep(2)  # until the handle has heard of the newer one
    actor = max(actors())
    parts = cores(actor)
    worker = next(each.pid for each in descendants(actor) if "VLLM::Worker" in each.name)
    streaming = handle.options(stream=True)
    streams = [iter(streaming.generate.remote(prompt, endless(seed), None)) for seed in range(6)]
    for stream in streams:
        next(stream)
    os.kill(worker, signal.SIGKILL)
    reasons = [_last_reason(stream) for stream in streams]
    # How many went to which replica is the router's affair; right after a replacement it may be all.
    assert None in reasons, "the streams of the dead replica fail"
    assert set(reasons) <= {"length", None}, "those of the other replica end well"
    wait_until(lambda: not alive({actor} | parts), "all its processes are gone", 60)


def _last_reason(stream: Iterator[Generated]) -> str | None:
    reason = None
    with suppress(RayActorError):
        for item in received(stream):
            reason = item.finish_reason
    return reason


def test_draining_lets_answers_end_and_leaves_no_process(handle: DeploymentHandle, prompt: list[int]) -> None:
    trees = {actor: cores(actor) for actor in actors()}
    stream = handle.options(stream=True).generate.remote(prompt, endless(1), None)
    items = received(stream)
    first = next(items)
    serve.delete("replicas", _blocking=False)
    rest = list(items)
    assert rest[-1].finish_reason == "length"
    assert len(first.ids) + sum(len(item.ids) for item in rest) == LONG
    wait_until(lambda: not alive(set(trees).union(*trees.values())), "all processes are gone", 60)


def test_a_model_that_does_not_load_ends_the_deployment_with_the_engines_words(
    model: Path, tmp_path: Path, private_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "START_ATTEMPTS", 1)
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(RuntimeError):
        deploy("broken", model={"source": tmp_path})
    status = serve.status().applications["broken"].deployments["EngineReplica"]
    assert "vLLM did not start: " in status.message
    assert "SafetensorError" in status.message
    serve.shutdown()
    assert ray.is_initialized()
    assert not [each for each in processes() if each.parent == os.getpid() and "VLLM::" in each.name]

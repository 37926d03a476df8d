"""Where a replica's processes go, without Ray."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.errors import ConfigError
from octupus.serve.config import EngineConfig
from octupus.serve.engine.placement import Node, Placement, placement

NODES = [Node(32, 8), Node(32, 4), Node(64, 0)]


def engine(tensor: int = 1, pipeline: int = 1, backend: str = "auto") -> EngineConfig:
    return EngineConfig.model_validate(
        {
            "tensor_parallel_size": tensor,
            "pipeline_parallel_size": pipeline,
            "distributed_executor_backend": backend,
        }
    )


sizes = st.integers(1, 8)
clusters = st.lists(st.builds(Node, cpus=st.integers(0, 16), gpus=st.integers(0, 8)), min_size=1, max_size=4)


@given(tensor=sizes, pipeline=sizes, backend=st.sampled_from(["auto", "mp", "ray"]), nodes=clusters)
def test_what_is_placed_fits_the_cluster_and_what_is_refused_does_not(
    tensor: int, pipeline: int, backend: str, nodes: list[Node]
) -> None:
    workers, gpus = tensor * pipeline, [int(node.gpus) for node in nodes]
    try:
        placed = placement(engine(tensor, pipeline, backend), nodes)
    except ConfigError:
        if any(gpus):
            assert workers > (max(gpus) if backend == "mp" else sum(gpus))
        else:
            assert backend == "ray" or workers > max(node.cpus for node in nodes)
        return
    assert placed.on_cpu == (not any(gpus))
    assert backend in ("auto", placed.executor)
    if placed.on_cpu:
        assert placed.num_cpus == workers <= max(node.cpus for node in nodes)
    elif placed.executor == "mp":
        assert placed.num_gpus == workers <= max(gpus)
    else:
        assert sum(bundle["GPU"] for bundle in placed.bundles) == workers <= sum(gpus)
        assert placed.num_gpus == 0
        assert placed.num_cpus <= placed.bundles[0]["CPU"]


def test_auto_takes_one_node_while_it_can() -> None:
    assert placement(engine(8), NODES) == Placement(False, "mp", 1, 8)
    assert placement(engine(4, 3), NODES).executor == "ray"


def test_deployment_options_are_those_of_serve() -> None:
    pytest.importorskip("ray.serve")
    from octupus.serve.config import ModelConfig, ServeConfig
    from octupus.serve.engine.deployment import engine_deployment

    config = ServeConfig.model_validate(
        {"model": {"source": "m"}, "replicas": {"engines": {"max_replicas": 3}, "drain_timeout_s": 7}}
    )
    assert isinstance(config.model, ModelConfig)
    bound = engine_deployment(config, placement(engine(6, 2), NODES))
    deployment = bound._bound_deployment
    assert deployment._replica_config.placement_group_bundles == [{"CPU": 1, "GPU": 1}] * 12
    assert deployment._deployment_config.autoscaling_config.max_replicas == 3
    assert deployment._deployment_config.graceful_shutdown_timeout_s == 7


def test_errors_say_what_the_cluster_has() -> None:
    with pytest.raises(
        ConfigError, match=r"needs 16 \(tensor_parallel_size\) GPUs, but this cluster has 12 in all, 8 on"
    ):
        placement(engine(16), NODES)
    with pytest.raises(ConfigError, match=r"on one node.*12 in all, 8 on its largest node.*ray or auto"):
        placement(engine(10, backend="mp"), NODES)
    with pytest.raises(ConfigError, match="no GPU, but its largest node has 2 CPUs"):
        placement(engine(4), [Node(2)])
    with pytest.raises(ConfigError, match="does not support CPUs"):
        placement(engine(2, backend="ray"), [Node(8)])

"""The description of a cluster: what it refuses, and that what is shipped is right."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.clusters.config import ClusterConfig, StorageConfig
from octupus.config import read_yaml, resolve
from octupus.errors import ConfigError

ROOT = Path(__file__).parents[2]
SHIPPED = read_yaml(ROOT / "clusters" / "cluster.yaml")


def test_what_is_shipped_is_right() -> None:
    assert resolve(ClusterConfig, SHIPPED).workers.max == 2


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("workers.min", 3, "raise max or lower min"),
        ("workers.gpus", -1, "workers.gpus"),
        ("workers.gpu", "H100:8", "workers.gpu"),
        ("name", "Octupus_1", "name"),
        ("storage.mount_path", "runs", "absolute path"),
        ("storage.mount_path", "/", "absolute path"),
        ("storage.bucket", "https://name", "storage.bucket"),
        ("storage.bucket", "s3://name/", "storage.bucket"),
        ("secrets.environment", ["HF_TOKEN=hf_abc"], "secrets.environment"),
        ("serving.listen", "192.168.0.1", "serving.listen"),
        ("workers.gpu_type", "H100", "workers.gpu"),
        ("storage.clam", "x", "storage.claim"),
    ],
)
def test_what_is_wrong_is_named(place: str, value: Any, said: str) -> None:
    *parents, last = place.split(".")
    values = {name: dict(part) if isinstance(part, dict) else part for name, part in SHIPPED.items()}
    target = values[parents[0]] if parents else values
    target[last] = value
    with pytest.raises(ConfigError, match=said):
        resolve(ClusterConfig, values)


NAMES = st.text("abcxyz019._-", min_size=1, max_size=6).filter(lambda name: name.strip("."))


@given(mount=st.lists(NAMES, min_size=1, max_size=3), inner=st.lists(NAMES, max_size=3))
def test_a_path_on_the_storage_has_a_url_that_ends_alike(mount: list[str], inner: list[str]) -> None:
    storage = resolve(StorageConfig, {"mount_path": "/" + "/".join(mount), "bucket": "gs://b/place"})
    path = "/".join([str(storage.mount_path), *inner])
    assert storage.holds(path)
    assert storage.url_of(path) == "/".join(["gs://b/place", *inner])
    assert not storage.holds(f"{storage.mount_path}x")
    assert not storage.holds(f"{storage.mount_path}/../other")
    assert not storage.holds("/".join(["relative", *inner]))

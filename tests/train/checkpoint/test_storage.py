from pathlib import Path

import pytest

from octupus.errors import OutputError
from octupus.train.checkpoint.storage import Storage


@pytest.fixture(params=["path", "file URL"])
def storage(tmp_path: Path, request: pytest.FixtureRequest) -> Storage:
    root = tmp_path / "runs" / "one"
    return Storage(str(root) if request.param == "path" else root.as_uri())


def test_what_is_written_is_read_again_whole(storage: Storage, tmp_path: Path) -> None:
    assert storage.read("a/state.json") is None
    storage.write("a/state.json", b"one")
    storage.write("a/state.json", b"two")
    assert storage.read("a/state.json") == b"two"
    assert storage.sizes("a") == {"state.json": 3}
    assert storage.directories() == ["a"]


def test_directories_travel_both_ways(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "ds" / "state").mkdir(parents=True)
    (source / "ds" / "state" / "weights.pt").write_bytes(b"12345")
    (source / "rng_0.pt").write_bytes(b"1")
    storage.upload(source, "step_00000001")
    assert storage.sizes("step_00000001") == {"ds/state/weights.pt": 5, "rng_0.pt": 1}
    storage.download("step_00000001", tmp_path / "back")
    assert (tmp_path / "back" / "ds" / "state" / "weights.pt").read_bytes() == b"12345"
    storage.delete("step_00000001")
    storage.delete("step_00000001")
    assert storage.sizes("step_00000001") == {}


def test_two_workers_may_write_into_one_directory(storage: Storage, tmp_path: Path) -> None:
    for rank in (0, 1):
        share = tmp_path / str(rank) / "ds"
        share.mkdir(parents=True)
        (share / f"shard_{rank}").write_bytes(b"x" * (rank + 1))
        storage.upload(share.parent, "step_00000001")
    assert storage.sizes("step_00000001") == {"ds/shard_0": 1, "ds/shard_1": 2}


def test_a_place_is_a_path_or_a_url_that_opens() -> None:
    assert Storage("/runs/one").place("report.html") == "/runs/one/report.html"
    assert Storage("file:///runs/one").place("a/b") == "file:///runs/one/a/b"
    bucket = Storage("s3://bucket/one?region=eu-west-1&endpoint_override=127.0.0.1:1&scheme=http")
    assert bucket.place("a") == "s3://bucket/one/a?region=eu-west-1&endpoint_override=127.0.0.1:1&scheme=http"


def test_failures_name_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    storage = Storage(str(tmp_path / "file" / "run"))
    with pytest.raises(OutputError, match=r"cannot write .*file/run/state.json"):
        storage.write("state.json", b"")
    with pytest.raises(OutputError, match="cannot use gopher://"):
        Storage("gopher://runs")

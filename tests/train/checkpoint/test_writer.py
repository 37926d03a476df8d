"""Reading a checkpoint back from object storage: once a node, and a failure is everybody's."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from octupus.errors import OutputError, TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.checkpoint.store import Checkpoint
from octupus.train.checkpoint.writer import ENGINE_STATE, _random_state, restore
from octupus.train.group import WorkerGroup

CHECKPOINT = Checkpoint(step=8, tokens=64, workers=1, identity={}, config={}, versions={})


class Remote(Storage):
    """Storage that is reached by copying alone, as an object store is."""

    downloads = 0

    @property
    def local(self) -> Path | None:
        return None

    def download(self, directory: str, target: Path) -> None:
        self.downloads += 1
        super().download(directory, target)


@dataclass
class Loading:
    """An engine that notes what it was given to load."""

    seen: list[str] = field(default_factory=list)

    def load(self, directory: Path, world: int) -> None:
        self.seen.append((directory / "state").read_text())


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    return Remote(str(tmp_path / "bucket"))


def stored(remote: Remote) -> None:
    directory = Path(remote.location) / CHECKPOINT.directory
    (directory / ENGINE_STATE).mkdir(parents=True)
    (directory / ENGINE_STATE / "state").write_text("the state")
    torch.save(_random_state(), directory / "rng_0.pt")


def read_back(remote: Remote) -> Loading:
    engine = Loading()
    restore(remote, CHECKPOINT, engine, WorkerGroup(torch.device("cpu")))  # type: ignore[arg-type]
    return engine


def test_the_first_worker_of_a_node_downloads_and_leaves_nothing(remote: Remote) -> None:
    stored(remote)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert read_back(remote).seen == ["the state"]
    assert remote.downloads == 1
    assert not list(Path(tempfile.gettempdir()).iterdir())
    assert torch.equal(drawn, torch.rand(3)), "random numbers go on where the checkpoint was written"


def test_the_others_read_its_copy(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(remote)
    copy = Path(tempfile.gettempdir()) / "octupus_restore_0_0"
    remote.download(CHECKPOINT.directory, copy)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert read_back(remote).seen == ["the state"]
    assert remote.downloads == 1
    assert copy.exists(), "the first worker removes it, when all have read it"


def test_a_download_that_fails_is_told_to_all(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(directory: str, target: Path) -> None:
        raise OutputError("cannot read it: connection refused")

    monkeypatch.setattr(remote, "download", failing)
    with pytest.raises(TrainingError, match="connection refused"):
        read_back(remote)
    assert not list(Path(tempfile.gettempdir()).iterdir())

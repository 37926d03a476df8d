"""Storage is shared when what one writes the other reads; nothing is left behind."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs

from octupus.errors import OutputError
from octupus.nodes import storage
from octupus.nodes.storage import StorageFullError, free_space, read_token, remove_token, shown, write_token


def test_a_token_is_read_in_its_own_directory_and_in_no_other(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    other.mkdir()
    token = write_token(str(mine))
    assert read_token(str(mine), token)
    assert read_token(f"file://{mine}", token)
    assert not read_token(str(other), token)
    assert not read_token(str(tmp_path / "missing"), token)
    remove_token(str(mine), token)
    assert list(tmp_path.iterdir()) == [other]


def test_directories_that_somebody_uses_meanwhile_stay(tmp_path: Path) -> None:
    location = tmp_path / "a" / "b"
    token = write_token(str(location))
    (tmp_path / "a" / "theirs").touch()
    remove_token(str(location), token)
    remove_token(str(location), token)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["theirs"]


def test_an_object_store_is_asked_through_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(storage, "_remote", lambda location: (bucket, location.removeprefix("s3://bucket/")))
    (tmp_path / "runs").mkdir()
    token = write_token("s3://bucket/runs")
    assert read_token("s3://bucket/runs", token)
    assert not read_token("s3://bucket/other", token)
    remove_token("s3://bucket/runs", token)
    remove_token("s3://bucket/runs", token)
    assert list((tmp_path / "runs").iterdir()) == []
    assert free_space("s3://bucket/runs") is None


def test_what_cannot_be_storage_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write to .*file/below: Not a directory"):
        write_token(str(tmp_path / "file" / "below"))
    with pytest.raises(OutputError, match="cannot write to nowhere://here"):
        write_token("nowhere://user:secret@here")


def test_passwords_of_urls_are_not_shown() -> None:
    assert shown("s3://key:secret@bucket/runs?region=eu") == "s3://bucket/runs?region=eu"
    assert shown("/runs/a@b") == "/runs/a@b"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; only root may mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system can be mounted by root only")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_as_such(tiny_disk: Path) -> None:
    (tiny_disk / "old").write_bytes(b"x" * 2**16)
    with pytest.raises(StorageFullError, match="No space left on device; free space there"):
        write_token(str(tiny_disk))
    assert [path.name for path in tiny_disk.iterdir()] == ["old"]
    space = free_space(str(tiny_disk))
    assert space is not None
    assert space.free == 0

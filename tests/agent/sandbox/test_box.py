"""The box: how full it is, and that it can be emptied whatever is in it."""

from __future__ import annotations

import os
from pathlib import Path

from octupus.agent.sandbox import box


def test_files_count_by_their_size_and_by_their_number(tmp_path: Path) -> None:
    assert not box.fuller_than(str(tmp_path), 0)
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    assert box.fuller_than(str(tmp_path), 99_000)
    assert not box.fuller_than(str(tmp_path), 200_000)
    below = tmp_path / "below"
    below.mkdir()
    for number in range(20):
        (below / str(number)).touch()
    assert box.fuller_than(str(tmp_path), 20 * box.SMALLEST_FILE)
    assert not box.fuller_than(str(tmp_path), 25 * box.SMALLEST_FILE)


def test_what_is_linked_is_neither_counted_nor_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"x" * 1_000_000)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "directory").symlink_to(outside)
    (inside / "file").symlink_to(outside / "kept")
    (inside / "cycle").symlink_to(inside)
    assert not box.fuller_than(str(inside), 500_000)
    assert box.clear(str(inside))
    assert list(inside.iterdir()) == []
    assert (outside / "kept").stat().st_size == 1_000_000


def test_any_depth_and_any_mode_is_cleared(tmp_path: Path) -> None:
    directory = tmp_path / "box"
    directory.mkdir()
    here = Path.cwd()
    try:
        os.chdir(directory)
        for depth in range(300):
            Path("f").write_text("text")
            Path("a side way").mkdir()
            Path("a name of some length").mkdir()
            os.chdir("a name of some length")
            if depth % 50 == 0:
                Path("a side way").mkdir(mode=0)
                Path("a side way").rmdir()
    finally:
        os.chdir(here)
    (directory / "closed").mkdir()
    (directory / "closed" / "below").mkdir()
    (directory / "closed" / "below").chmod(0)
    (directory / "closed").chmod(0)
    assert box.clear(str(directory))
    assert list(directory.iterdir()) == []


def test_a_directory_that_is_gone_counts_as_not_clear(tmp_path: Path) -> None:
    assert not box.clear(str(tmp_path / "gone"))

"""What is measured is what Ray packs."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE, create_package

from octupus.nodes import working_directory
from octupus.nodes.working_directory import largest, measure

_NAMES = st.sampled_from("abcd")
_FILES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=4).map(lambda parts: "/".join(parts) + ".txt"), st.integers(0, 100)
)


@given(_FILES)
def test_the_largest_paths_hold_every_file_once(sizes: dict[str, int]) -> None:
    paths = largest(sizes, count=1000)
    assert sum(size for _, size in paths) == sum(sizes.values())
    for file in sizes:
        assert sum(file == path or (path.endswith("/") and file.startswith(path)) for path, _ in paths) == 1
    assert [size for _, size in paths] == sorted((size for _, size in paths), reverse=True)


def test_a_large_file_is_named_and_many_small_ones_are_their_directory() -> None:
    small = {f"cache/{number}": 10 for number in range(100)}
    assert largest({**small, "runs/stage1/model.bin": 5000, "README": 1}, count=2) == [
        ("runs/stage1/model.bin", 5000),
        ("cache/", 1000),
    ]


def test_a_tree_measures_as_ray_packs_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in (
        *("octupus/a.py", "octupus/__pycache__/a.pyc", "runs/x/model.bin", ".git/objects/pack", ".venv/bin/python"),
        *("data/big.parquet", "data/keep/small.txt", "nested/.gitignore", "nested/skipped.log", "nested/kept.txt"),
        "given.bin",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(name.encode() * 10)
    (tree / ".gitignore").write_text("runs/\n")
    (tree / ".rayignore").write_text("*.parquet\n")
    (tree / "nested" / ".gitignore").write_text("*.log\n")
    found = measure(tree, excludes=["given.bin"])

    package = tmp_path / "package.zip"
    excludes = [*get_runtime_env_default_excludes(), "given.bin"]
    create_package(str(tree), package, include_gitignore=True, excludes=excludes)
    packed = [entry for entry in ZipFile(package).infolist() if not entry.is_dir()]
    assert (found.files, found.size) == (len(packed), sum(entry.file_size for entry in packed))
    names = {entry.filename for entry in packed}
    assert "octupus/a.py" in names
    assert names.isdisjoint({"runs/x/model.bin", "data/big.parquet", "nested/skipped.log", "given.bin"})
    assert found.limit == GCS_STORAGE_MAX_SIZE
    assert not found.too_large


def test_a_tree_over_the_limit_or_without_end_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(GCS_STORAGE_MAX_SIZE)
    assert measure(tmp_path).too_large
    (tmp_path / "sparse").unlink()
    for number in range(4):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(working_directory, "_MOST_FILES", 3)
    found = measure(tmp_path)
    assert (found.files, found.complete, found.too_large) == (3, False, True)

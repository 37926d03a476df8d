from pathlib import Path

import pytest

from octupus.evaluate.calls.ask import unanswered
from octupus.evaluate.calls.ledger import Ledger, RunDirectoryError, read_ledger, refuse_foreign

SETTINGS = {"model": "small", "dataset_sha256": "abc"}
GOOD, FAILED = {"error": None, "content": "\ud800"}, {"error": "timeout: none", "content": None}


def test_answers_come_back_and_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "run" / "replies.jsonl"
    with read_ledger(path, SETTINGS).open() as ledger:
        ledger.add(("a", 1), FAILED)
        ledger.add(("a", 3), GOOD)
    with read_ledger(path, SETTINGS).open() as ledger:
        assert list(unanswered({("a", 1): 0, ("a", 3): 0, ("b", 1): 0}, ledger.answers)) == [("a", 1), ("b", 1)]
        ledger.add(("a", 1), GOOD)
    assert read_ledger(path, SETTINGS).answers == {("a", 1): GOOD, ("a", 3): GOOD}


def test_a_ledger_cut_anywhere_keeps_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    with read_ledger(path, SETTINGS).open() as ledger:
        for position in range(3):
            ledger.add(("a", position), GOOD)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = max(whole[:size].count(b"\n") - 1, 0)
        with read_ledger(path, SETTINGS).open() as ledger:
            assert list(ledger.answers) == [("a", position) for position in range(kept)]
            ledger.add(("b", 0), GOOD)
        assert list(read_ledger(path, SETTINGS).answers) == [*(("a", position) for position in range(kept)), ("b", 0)]


def test_other_settings_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    with read_ledger(path, SETTINGS).open() as ledger:
        ledger.add(("a", 1), GOOD)
    before = path.read_bytes()
    with pytest.raises(RunDirectoryError, match='model was "small" and is now "large"'):
        read_ledger(path, {**SETTINGS, "model": "large"})
    begun_meanwhile = Ledger(path, {**SETTINGS, "dataset_sha256": "def"}, {})
    with pytest.raises(RunDirectoryError, match="dataset_sha256"), begun_meanwhile.open():
        pass
    assert path.read_bytes() == before


def test_two_runs_do_not_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    with read_ledger(path, SETTINGS).open():
        other = read_ledger(path, SETTINGS)
        with pytest.raises(RunDirectoryError, match="another run"), other.open():
            pass
    with other.open():
        other.add(("a", 1), GOOD)


@pytest.mark.parametrize("content", [b"not json\n", b"[]\n", b'{"ledger": 99, "settings": {}}\n', b"{}\n"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_bytes(content)
    with pytest.raises(RunDirectoryError, match=r"replies\.jsonl"):
        read_ledger(path, SETTINGS)
    assert path.read_bytes() == content


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    refuse_foreign(tmp_path / "new", "replies.jsonl")
    refuse_foreign(tmp_path, "replies.jsonl")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match="has no replies"):
        refuse_foreign(tmp_path, "replies.jsonl")
    with pytest.raises(RunDirectoryError, match="is a file"):
        refuse_foreign(tmp_path / "notes.txt", "replies.jsonl")
    (tmp_path / "replies.jsonl").touch()
    refuse_foreign(tmp_path, "replies.jsonl")

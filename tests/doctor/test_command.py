"""The command as scripts and people see it."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from octupus.doctor import command
from octupus.doctor.command import doctor
from octupus.nodes.facts import NodeFacts
from tests.nodes.machines import machine


@pytest.fixture(autouse=True)
def healthy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine on which nothing is wrong, in an empty working directory, with its free port."""
    monkeypatch.setattr(command, "gather", lambda: machine("here"))
    monkeypatch.setattr(command, "RAY_PORTS", ())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nothing_to_mend_is_exit_code_0(healthy_machine: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(healthy_machine) == 0
    assert "all well" in capsys.readouterr().out


def test_warnings_alone_are_exit_code_0_and_errors_1(
    healthy_machine: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "gather", lambda: machine("here", most_open_files=10))
    assert doctor(healthy_machine) == 0
    assert "warning: here: a process may open 10 files" in capsys.readouterr().out
    monkeypatch.setattr(command, "gather", lambda: machine("here", versions={"ray": "1.0"}))
    assert doctor(healthy_machine) == 1
    assert "error: here: ray 1.0, tested with" in capsys.readouterr().out


def test_json_is_one_object_that_holds_everything(
    healthy_machine: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    storages = [str(tmp_path / "runs"), str(tmp_path / "file" / "below")]
    assert doctor(healthy_machine, storages=storages, as_json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 1
    assert NodeFacts.from_plain(report["machine"]) == machine("here")
    (finding,) = report["findings"]
    assert finding["severity"] == "error"
    assert "Not a directory" in finding["what"]
    assert finding["remedy"]
    assert report["working_directory"]["files"] == 0
    assert not (tmp_path / "runs").exists()


def test_a_job_file_brings_its_storage_inputs_and_credentials(
    healthy_machine: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    file = tmp_path / "train.yaml"
    file.write_text(
        f"run: {{name: a, storage: {tmp_path}/file/runs}}\nmodel: {tmp_path}/no-model\ntracking: {{wandb_project: p}}\n"
    )
    assert doctor(healthy_machine, files=[file]) == 1
    shown = capsys.readouterr().out
    assert f"{tmp_path}/file/runs" in shown
    assert f"does not see {tmp_path}/no-model" in shown
    assert "WANDB_API_KEY" in shown


def test_a_directory_that_ray_would_refuse_is_told_with_what_fills_it(
    healthy_machine: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("model.bin").open("wb") as stream:
        stream.truncate(2**30)
    assert doctor(healthy_machine) == 0
    assert "in .rayignore, such as model.bin 1024 MiB" in capsys.readouterr().out


def test_no_cluster_must_be_mended_where_one_was_asked_for(
    healthy_machine: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    assert doctor(healthy_machine) == 1
    assert "error: the cluster: RAY_ADDRESS" in capsys.readouterr().out


def test_a_full_disk_must_be_mended(healthy_machine: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system can be mounted by root only")
    try:
        (place / "old").write_bytes(b"x" * 2**16)
        assert doctor(healthy_machine, storages=[str(place)]) == 1
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert "No space left on device; free space there" in capsys.readouterr().out

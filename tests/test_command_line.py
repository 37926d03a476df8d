"""The small subcommands, and what the installation decides."""

import json
import socket
from pathlib import Path

import pytest

from octupus import installation, versions
from octupus.cli import main
from octupus.serve.ports import port_in_use


def test_check_tools_names_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tools.json"
    schema = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
    file.write_text(json.dumps([{"name": "plain"}, {"function": {"name": "hard", "parameters": schema}}]))
    assert main(["check-tools", str(file)]) == 1
    shown = capsys.readouterr().out
    assert "enforced plain" in shown
    assert "refused  hard" in shown
    assert "/properties/a/uniqueItems" in shown


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("{}", "list of tools")])
def test_check_tools_refuses_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    file = tmp_path / "tools.json"
    file.write_text(text)
    assert main(["check-tools", str(file)]) == 2
    assert message in capsys.readouterr().err
    assert main(["check-tools", str(tmp_path / "missing.json")]) == 2


def test_doctor_says_when_the_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert port_in_use(port)
        assert main(["doctor", "--port", str(port)]) == 1
    assert f"port {port} is in use" in capsys.readouterr().out
    assert not port_in_use(port)


def test_a_version_that_is_not_the_tested_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "TESTED", versions.TESTED | {"ray": "1.0", "vllm": versions.installed()["vllm"]})
    assert [line for line in versions.mismatches() if line.startswith("ray")]
    assert not [line for line in versions.mismatches() if line.startswith("vllm")]


def test_the_gpu_extra_is_chosen_where_the_driver_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installation.choose_extra() == "cpu"
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert installation.choose_extra() == "gpu"
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert installation.choose_extra() == "cpu"


def test_a_missing_compiler_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for program in ("g++", "ninja"):
        assert any(program in line and "install" in line for line in installation.missing_compilers(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ninja").touch(mode=0o755)
    assert not any(line.startswith("ninja") for line in installation.missing_compilers(tmp_path))

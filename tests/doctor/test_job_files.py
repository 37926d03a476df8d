"""What a job's own file says is what a cluster is looked at for."""

from pathlib import Path

import pytest

from octupus.config import read_yaml
from octupus.doctor.job_files import Wants, credential_findings, read_wants, wants_of
from octupus.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_the_projects_own_files_are_understood() -> None:
    for file in sorted([*ROOT.glob("jobs/*.yaml"), *ROOT.glob("serve_configs/*.yaml")]):
        values = read_yaml(file)
        wants = read_wants([file])
        if file.stem == "train_retriever":
            assert values["run"] in wants.storages
            assert set(values["data"]["paths"]) <= set(wants.inputs)
        elif "run" in values:
            assert wants.storages[0] == values["run"]["storage"]
            assert values["data"]["directory"] in wants.inputs
        if file.stem.startswith("prepare"):
            assert wants.storages == (values["output"],)
        if "applications" in values:
            assert wants.port == values["http_options"]["port"]
            assert wants.inputs


def test_credentials_are_missed_where_none_of_those_that_would_do_is_there() -> None:
    training = wants_of(
        {"run": {"storage": "/r"}, "tracking": {"wandb_project": "p", "mlflow_experiment": "e"}}, "t.yaml"
    )
    preparing = wants_of({"output": "/o", "sources": [{"name": "x", "corpus": "toolace"}]}, "p.yaml")
    wants = [*training.credentials, *preparing.credentials]
    found = credential_findings(wants, ["RAY_ADDRESS"])
    assert [finding.where for finding in found] == ["t.yaml", "t.yaml", "p.yaml"]
    assert all(finding.remedy for finding in found)
    assert "toolace" in found[2].what
    assert credential_findings(wants, ["WANDB_MODE", "MLFLOW_TRACKING_URI", "HF_TOKEN"]) == []


def test_files_of_ones_own_need_no_credentials() -> None:
    local = {"output": "/o", "sources": [{"name": "x", "corpus": "toolace", "path": "/c.jsonl"}], "model": "/m"}
    assert wants_of(local, "p.yaml") == Wants(storages=("/o",), inputs=("/m",))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"run": None},
        {"run": {"storage": 3}, "export": 4, "tracking": []},
        {"sources": [1, {"corpus": None}]},
        {"applications": [3, {"args": 1}]},
    ],
)
def test_wrong_files_want_nothing(values: dict[str, object]) -> None:
    assert wants_of(values, "wrong.yaml") == Wants()


def test_files_want_together_what_each_wants_and_missing_ones_are_refused(tmp_path: Path) -> None:
    training = [ROOT / "jobs" / "train_stg1.yaml", ROOT / "jobs" / "train_stg2.yaml"]
    together = read_wants(training)
    assert set(together.storages) == {place for file in training for place in read_wants([file]).storages}
    assert len(together.storages) == len(set(together.storages))
    with pytest.raises(ConfigError, match="does not exist"):
        read_wants([tmp_path / "missing.yaml"])

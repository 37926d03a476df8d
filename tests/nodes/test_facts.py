"""Facts travel: to and from Ray tasks, and as JSON."""

import json
import pickle
import sys
from pathlib import Path

import pytest

from octupus.nodes.facts import HUB_LOGIN, WANDB_LOGIN, FactsError, NodeFacts, credentials, gather, source_sha256
from octupus.nodes.gpus import Gpu
from tests.nodes.machines import machine


def test_facts_of_this_machine_survive_json_and_pickle() -> None:
    facts = gather("a" * 56, Path("/tmp/ray"))
    assert NodeFacts.from_plain(json.loads(json.dumps(facts.plain()))) == facts
    assert pickle.loads(pickle.dumps(facts)) == facts
    assert facts.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert 0 < facts.memory_available <= facts.memory_total
    assert facts.name.endswith("(node aaaaaaaa)")


def test_gpus_survive_too_and_other_fields_are_refused() -> None:
    plain = machine("host", gpus=(Gpu("H100", 1, "580"),), credentials=("HF_TOKEN",)).plain()
    assert NodeFacts.from_plain(json.loads(json.dumps(plain))).gpus == (Gpu("H100", 1, "580"),)
    with pytest.raises(FactsError, match="older_field"):
        NodeFacts.from_plain(plain | {"older_field": 1})


def test_the_digest_is_of_the_code_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")
    before = source_sha256(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tmp_path / ".hidden").touch()
    assert source_sha256(tmp_path) == before
    (tmp_path / "a.py").write_text("one = 2\n")
    changed = source_sha256(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({before, changed, source_sha256(tmp_path)}) == 3


def test_credentials_are_names_never_values(tmp_path: Path) -> None:
    environment = {"HF_TOKEN": "hf_secret", "https_proxy": "http://user:secret@proxy", "WANDB_API_KEY": ""}
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n")
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    (tmp_path / ".cache" / "huggingface" / "token").write_text("hf_secret")
    names = credentials(environment, tmp_path)
    assert set(names) == {"HF_TOKEN", "HTTPS_PROXY", HUB_LOGIN, WANDB_LOGIN}
    assert "secret" not in " ".join(names)

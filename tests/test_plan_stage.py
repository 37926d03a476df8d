"""`octupus plan` as it is called."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octupus.cli import main
from octupus.errors import ConfigError, ManifestError, TrainingError
from octupus.plan_stage import PlanOptions, measure_packs, plan
from octupus.train.packs.feed import IGNORED, PackFeed
from octupus.train.packs.prepared import read_prepared
from tests.conftest import write_tokenizer
from tests.train.tiny_model import write_packs

QWEN = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}
SHIPPED = Path(__file__).parents[1] / "jobs" / "train_stg2.yaml"


@pytest.fixture(scope="module")
def prepared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prepared")
    return write_packs(directory / "data", write_tokenizer(directory / "model"))


@pytest.fixture
def model_config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(QWEN))
    return path


def options(model: Path, **changes: Any) -> PlanOptions:
    given = {"file": SHIPPED, "gpus": 8, "model_config": model, "packs": 1000, "token_budget": 8192}
    return PlanOptions(**(given | changes))


def test_a_stage_that_fits_prints_its_needs(model_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(options(model_config, gpu="h100-80gb")) == 0
    shown = capsys.readouterr().out
    assert "stage2: 8 workers, ZeRO 2, bfloat16, attention sdpa" in shown
    assert "7,615,616,512" in shown
    assert "40% of the peak is reached (an assumption)" in shown
    assert "every token trained" in shown


def test_a_stage_that_does_not_fit_is_refused_with_what_makes_it_fit(model_config: Path) -> None:
    with pytest.raises(TrainingError, match=r"does not fit l4: a worker needs .* GiB") as refused:
        plan(options(model_config, gpu="l4"))
    assert "engine.offload_optimizer cpu" in str(refused.value)
    assert "GiB of host memory a worker" in str(refused.value)
    flags = ("--engine.zero_stage", "3", "--engine.offload_optimizer", "cpu", "--engine.cross_entropy", "chunked")
    assert plan(options(model_config, gpu="l4", overrides=(*flags, "--engine.attn_implementation", "packed"))) == 0


def test_the_command_refuses_before_a_gpu_is_rented(model_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", str(SHIPPED), "--model-config", str(model_config), "--packs", "1000", "--token-budget", "8192"]
    assert main([*command, "--gpu", "a100-40gb", "--gpus", "2"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: stage2 does not fit a100-40gb")
    assert len(error.splitlines()) == 1
    assert main([*command, "--gpu", "a100-40gb", "--gpus", "2", "--lora.rank", "16"]) == 0
    assert main([*command, "--gpus", "2"]) == 0
    assert "nothing was compared" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gpu": "h300"}, "GPU 'h300' is not known; known: b200"),
        ({"gpu": "v100-32gb"}, "v100-32gb has no bfloat16; set engine.dtype float32"),
        ({"gpus": None}, "scaling.workers is auto, one for each GPU of the cluster; say how many with --gpus N"),
        ({"gpus": 7}, "data.packs_per_step 16 is not a multiple"),
        ({"gpus": 0}, "--gpus 0 must be at least 1"),
        ({"model_config": None}, "holds no config.json; give one with --model-config"),
        ({"packs": None}, "give both"),
        ({"packs": 0}, "must be at least 1"),
        ({"mfu": 1.5}, "--mfu 1.5 must lie between 0 and 1"),
        ({"overrides": ("--engine.kind", "plain", "--scaling.workers", "1")}, "plain trains with one worker, not 8"),
    ],
)
def test_what_cannot_be_planned_is_named(model_config: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(options(model_config, **changes))


def test_without_prepared_data_the_way_out_is_named(model_config: Path) -> None:
    with pytest.raises(ManifestError, match=r"or plan without it: --packs N --token-budget T"):
        plan(options(model_config, packs=None, token_budget=None))


def test_flags_of_other_commands_stay_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["check", "--engine.zero_stage", "3"])
    assert "unrecognized arguments: --engine.zero_stage" in capsys.readouterr().err


def test_planning_loads_no_torch(model_config: Path) -> None:
    code = (
        "import sys; from octupus.cli import main; "
        f"code = main(['plan', {str(SHIPPED)!r}, '--gpus', '8', '--model-config', {str(model_config)!r}, "
        "'--packs', '10', '--token-budget', '4096']); "
        "print(code, sorted({'torch', 'ray', 'transformers', 'deepspeed'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert shown.stdout.splitlines()[-1] == "0 []"


def test_packs_are_measured_as_training_reads_them(prepared_directory: Path) -> None:
    prepared = read_prepared(prepared_directory)
    totals = measure_packs(prepared)
    feed = PackFeed(prepared.shards)
    packs = [feed.read(position) for position in range(len(feed))]
    lengths = [len(document.ids) for position in range(len(feed)) for document in feed.documents(position)]
    trained = [int((pack.labels != IGNORED).sum()) for pack in packs]
    assert (totals.packs, totals.token_budget) == (len(packs), prepared.token_budget)
    assert totals.tokens == sum(lengths)
    assert totals.squared_lengths == sum(length**2 for length in lengths)
    assert totals.trained_tokens == sum(trained)
    assert totals.most_trained == max(trained)


def test_a_manifest_without_its_shards_is_enough(
    prepared_directory: Path, model_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = options(model_config, packs=None, token_budget=None)

    def shown(directory: Path) -> str:
        assert plan(PlanOptions(SHIPPED, ("--data.directory", str(directory)), None, 8, given.model_config)) == 0
        return capsys.readouterr().out

    whole = shown(prepared_directory)
    (tmp_path / "manifest.json").write_bytes((prepared_directory / "manifest.json").read_bytes())
    without = shown(tmp_path)
    assert "the shards are not here" in without
    assert "the shards are not here" not in whole
    assert [line for line in whole.splitlines() if line.startswith("tokens")] == [
        line for line in without.splitlines() if line.startswith("tokens")
    ]

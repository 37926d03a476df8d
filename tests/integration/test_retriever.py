"""The whole line of a retriever on real Ray: train with two workers, index, serve, ask."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray import serve

from octupus.agent.retrieve.client import RetrieverClient
from octupus.agent.retrieve.config import RetrieverConfig
from octupus.agent.retrieve.deployment import build
from octupus.agent.retrieve.launch import train_retriever
from octupus.agent.retrieve.readers import write_corpus
from octupus.agent.retrieve.step_metrics import read_metrics
from octupus.errors import TrainingError

from ..agent.retrieve.small_corpus import small_corpus

PORT = 8473


@pytest.fixture(scope="module")
def config(private_ray: None, tmp_path_factory: pytest.TempPathFactory) -> RetrieverConfig:
    directory = tmp_path_factory.mktemp("retriever")
    write_corpus(small_corpus(), directory / "corpus")
    return RetrieverConfig.model_validate(
        {
            "data": {"format": "jsonl", "paths": [directory / "corpus"]},
            "small_encoder": {"hidden_size": 32, "heads": 2, "vocabulary": 400},
            "training": {"batch_size": 8, "epochs": 4, "lr": 3e-3, "max_tokens": 32},
            "scaling": {"workers": 2},
            "checkpoint": {"every_steps": 5},
            "run": directory / "run",
            "export": directory / "export",
            "index": {"directory": directory / "index"},
        }
    )


@pytest.fixture(scope="module")
def index(config: RetrieverConfig) -> Path:
    return train_retriever(config)


def test_two_workers_train_an_encoder_that_finds_tools(config: RetrieverConfig, index: Path) -> None:
    metrics = read_metrics(config.run)
    assert metrics[0].test is not None
    assert metrics[-1].test is not None
    assert metrics[-1].test["ndcg_1"] > 0.9 > metrics[0].test["ndcg_1"]
    assert [step.step for step in metrics] == list(range(len(metrics)))
    assert (config.run / "report.html").exists()


def test_a_finished_run_is_kept_and_indexes_again(config: RetrieverConfig, index: Path, tmp_path: Path) -> None:
    written = (config.export / "retriever.json").stat().st_mtime_ns
    assert config.index is not None
    elsewhere = config.index.model_copy(update={"directory": tmp_path / "index"})
    assert train_retriever(config.model_copy(update={"index": elsewhere})) == tmp_path / "index"
    assert (config.export / "retriever.json").stat().st_mtime_ns == written


def test_a_run_goes_on_from_ray_trains_newest_checkpoint(config: RetrieverConfig, index: Path, tmp_path: Path) -> None:
    again = config.model_copy(update={"export": tmp_path / "export", "index": None})
    lines = read_metrics(config.run)
    assert train_retriever(again) == tmp_path / "export"
    # Nothing was trained anew: the last checkpoint held every step.
    assert read_metrics(config.run) == lines


def test_a_checkpoint_of_other_settings_is_refused(config: RetrieverConfig, index: Path, tmp_path: Path) -> None:
    training = config.training.model_copy(update={"lr": 1e-4})
    changed = config.model_copy(update={"training": training, "export": tmp_path / "export", "index": None})
    with pytest.raises(TrainingError, match=r"training\.lr was 0\.003 and is now 0\.0001"):
        train_retriever(changed)


@pytest.fixture
def served(index: Path) -> Iterator[str]:
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(build({"index": str(index), "method": "encoder", "cpus": 0.5}), name="retriever")
    yield f"http://127.0.0.1:{PORT}"
    serve.shutdown()


def test_the_index_is_served(served: str) -> None:
    async def ask() -> list[str]:
        client = RetrieverClient(served)
        try:
            return await client.retrieve("i want checkmate and rook today", 1)
        finally:
            await client.close()

    assert asyncio.run(ask()) == ["chess"]

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from octupus.agent.retrieve.checkpoints import LocalCheckpoints
from octupus.agent.retrieve.config import ContrastiveConfig, RetrieverConfig
from octupus.agent.retrieve.corpus import RetrievalCorpus
from octupus.agent.retrieve.encoder import Encoder
from octupus.agent.retrieve.export import exported
from octupus.agent.retrieve.index import Index, build_index
from octupus.agent.retrieve.measure import measure, measure_encoder
from octupus.agent.retrieve.report import write_report
from octupus.agent.retrieve.step_metrics import read_metrics
from octupus.agent.retrieve.train import learning_rate, train
from octupus.errors import TrainingError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings(directory: Path, start: Path, **training: Any) -> RetrieverConfig:
    values = {"batch_size": 16, "epochs": 3, "lr": 1e-2, "warmup_steps": 2, "max_tokens": 32} | training
    return RetrieverConfig.model_validate(
        {
            "data": {"format": "jsonl", "paths": ["unused"]},
            "encoder": start,
            "training": values,
            "checkpoint": {"every_steps": 7, "keep": 2},
            "run": directory / "run",
            "export": directory / "export",
        }
    )


def run(config: RetrieverConfig, corpus: RetrievalCorpus, checkpoints: LocalCheckpoints | None = None) -> None:
    assert config.encoder is not None
    kept = checkpoints or LocalCheckpoints(config.run / "checkpoints", config.checkpoint.keep)
    train(config, corpus, config.encoder, CPU, kept)


class Stopping(LocalCheckpoints):
    """Ends the run, as a crash would, when the checkpoint of a step is written."""

    def save(self, step: int, write: Any) -> None:
        super().save(step, write)
        if step == 14:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def finished(
    corpus: RetrievalCorpus, encoder_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> RetrieverConfig:
    config = settings(tmp_path_factory.mktemp("finished"), encoder_directory)
    run(config, corpus)
    return config


def test_training_finds_what_words_alone_do_not(finished: RetrieverConfig, corpus: RetrievalCorpus) -> None:
    metrics = read_metrics(finished.run)
    before, after = metrics[0].test, metrics[-1].test
    assert before is not None
    assert after is not None
    assert after["ndcg_1"] > 0.9 > 0.5 > before["ndcg_1"]
    losses = [step.loss for step in metrics if step.loss is not None]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert [step.step for step in metrics] == list(range(len(metrics)))
    assert [step.epoch for step in metrics if step.test] == [0, 1, 2, 3]


def test_the_export_is_the_trained_encoder_with_its_record(finished: RetrieverConfig, corpus: RetrievalCorpus) -> None:
    record = exported(finished, corpus)
    assert record is not None
    assert record["test"] == read_metrics(finished.run)[-1].test
    assert record["test"] == measure_encoder(Encoder.open(finished.export, 32), corpus)
    assert (record["max_tokens"], record["corpus"]["documents"]) == (32, 6)
    write_report(finished.run, record)
    page = (finished.run / "report.html").read_text()
    assert "<svg" in page
    assert "ndcg_5" in page


def test_an_export_of_other_settings_is_refused_naming_them(finished: RetrieverConfig, corpus: RetrievalCorpus) -> None:
    training = finished.training.model_copy(update={"lr": 1e-4})
    with pytest.raises(TrainingError, match=r"training\.lr was 0\.01 and is now 0\.0001"):
        exported(finished.model_copy(update={"training": training}), corpus)
    assert exported(finished.model_copy(update={"export": finished.run / "none"}), corpus) is None
    with pytest.raises(TrainingError, match="no export of a retriever"):
        exported(finished.model_copy(update={"export": finished.run}), corpus)


def test_an_index_of_the_export_ranks_as_it_was_measured(
    finished: RetrieverConfig, corpus: RetrievalCorpus, tmp_path: Path
) -> None:
    build_index(corpus.documents, finished.export, 32, tmp_path / "index")
    found = measure(Index.open(tmp_path / "index"), corpus)
    assert found == pytest.approx(measure_encoder(Encoder.open(finished.export, 32), corpus), abs=1e-9)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_run_that_was_cut_off_goes_on_exactly_as_it_would_have(
    corpus: RetrievalCorpus, encoder_directory: Path, tmp_path: Path, dropout: float
) -> None:
    start = tmp_path / "start"
    shutil.copytree(encoder_directory, start)
    described = json.loads((start / "config.json").read_text())
    described |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    (start / "config.json").write_text(json.dumps(described))
    whole, cut = settings(tmp_path / "whole", start), settings(tmp_path / "cut", start)
    run(whole, corpus)
    with pytest.raises(KeyboardInterrupt):
        run(cut, corpus, Stopping(cut.run / "checkpoints", 2))
    assert not cut.export.exists()
    run(cut, corpus)
    one, two = read_metrics(whole.run), read_metrics(cut.run)
    assert [(step.step, step.loss, step.lr, step.test) for step in one] == [
        (step.step, step.loss, step.lr, step.test) for step in two
    ]
    texts = [query.text for query in corpus.of("test")]
    assert np.array_equal(Encoder.open(whole.export, 32).embed(texts), Encoder.open(cut.export, 32).embed(texts))
    assert len(list((cut.run / "checkpoints").iterdir())) == 2


def test_a_checkpoint_of_another_run_is_refused_naming_what_changed(
    finished: RetrieverConfig, corpus: RetrievalCorpus, encoder_directory: Path
) -> None:
    training = finished.training.model_copy(update={"scale": 5.0})
    with pytest.raises(TrainingError, match=r"training\.scale was 20\.0 and is now 5\.0"):
        run(finished.model_copy(update={"training": training}), corpus)


def test_a_loss_that_is_not_finite_stops_the_run(
    corpus: RetrievalCorpus, encoder_directory: Path, tmp_path: Path
) -> None:
    config = settings(tmp_path, encoder_directory, lr=1e30, warmup_steps=0, max_grad_norm=1e30)
    with pytest.raises(TrainingError, match=r"the loss at step \d+ is nan"):
        run(config, corpus)
    assert not config.export.exists()


def test_the_learning_rate_rises_and_falls_linearly() -> None:
    rates = [learning_rate(step, 100, ContrastiveConfig(lr=1.0, warmup_steps=4)) for step in range(1, 101)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert np.allclose(np.diff(rates[4:]), -1 / 96)
    assert rates[-1] == pytest.approx(1 / 96)
    # A run that is shorter than its warm-up still reaches the highest rate.
    assert max(learning_rate(step, 100, ContrastiveConfig(lr=1.0)) for step in range(1, 101)) == 1.0

"""Train a retriever and index documents with it: what `jobs/train_retriever.py` runs."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from octupus.agent.retrieve.config import IndexConfig, RetrieverConfig
from octupus.agent.retrieve.corpus import Document, RetrievalCorpus
from octupus.agent.retrieve.export import exported
from octupus.agent.retrieve.ray_trainer import fit, with_gpu_decided
from octupus.agent.retrieve.readers import read_corpus
from octupus.agent.retrieve.report import write_report
from octupus.errors import TrainingError
from octupus.ray_session import ray_session
from octupus.telemetry import event, write_json, write_run_record

START_RECORD = "small_encoder.json"

logger = logging.getLogger(__name__)


def train_retriever(config: RetrieverConfig) -> Path:
    """The directory of the trained encoder, or of the index where one is asked for.

    The same command continues an interrupted run from its newest checkpoint; a finished export is kept, so that
    another index can be built with it. Raises CorpusError, ConfigError, TrainingError and OutputError.
    """
    config = absolute(config)
    started = time.monotonic()
    corpus = read_corpus(config.data)
    event(logger, "retriever.corpus", **corpus.counts)
    documents = asyncio.run(_documents(config.index, corpus)) if config.index else []
    record = exported(config, corpus)
    if record is None:
        record = _train(config, corpus)
    write_report(config.run, record)
    event(logger, "retriever.end", export=config.export, seconds=time.monotonic() - started, **record["test"])
    if config.index is None:
        return config.export
    from octupus.agent.retrieve.index import build_index

    build_index(documents, config.export, config.training.max_tokens, config.index.directory)
    event(logger, "retriever.index", directory=config.index.directory, documents=len(documents))
    return config.index.directory


def absolute(config: RetrieverConfig) -> RetrieverConfig:
    """The configuration with absolute paths: workers run in other directories."""
    data = config.data.model_copy(
        update={
            "paths": tuple(path.absolute() for path in config.data.paths),
            "descriptions": config.data.descriptions and config.data.descriptions.absolute(),
        }
    )
    index = config.index and config.index.model_copy(update={"directory": config.index.directory.absolute()})
    return config.model_copy(
        update={
            "data": data,
            "index": index,
            "encoder": config.encoder and config.encoder.absolute(),
            "run": config.run.absolute(),
            "export": config.export.absolute(),
        }
    )


def start_encoder(config: RetrieverConfig, corpus: RetrievalCorpus) -> Path:
    """The encoder to begin with. A small one is made below the run's directory, unless this very one is there."""
    if config.encoder is not None:
        return config.encoder
    from octupus.agent.retrieve.small_encoder import make_small_encoder

    directory = config.run / "start"
    wanted: dict[str, Any] = {
        "small_encoder": config.small_encoder.model_dump(),
        "seed": config.training.seed,
        "corpus": corpus.sha256,
    }
    record = directory / START_RECORD
    if record.exists() and json.loads(record.read_text(encoding="utf-8")) == wanted:
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    texts = [document.text for document in corpus.documents] + [query.text for query in corpus.of("train")]
    make_small_encoder(texts, directory, config.small_encoder, config.training.seed)
    write_json(record, wanted)
    return directory


def _train(config: RetrieverConfig, corpus: RetrievalCorpus) -> dict[str, Any]:
    config.run.mkdir(parents=True, exist_ok=True)
    config.export.parent.mkdir(parents=True, exist_ok=True)
    inputs = [*config.data.paths, *([config.encoder] if config.encoder else [])]
    with ray_session(config.num_cpus, storages=[config.run, config.export.parent], inputs=inputs):
        config = with_gpu_decided(config)
        write_run_record(config.run, config)
        fit(config, start_encoder(config, corpus))
    record = exported(config, corpus)
    if record is None:
        raise TrainingError(f"{config.export} was written on another node; put it on storage that all nodes share")
    return record


async def _documents(config: IndexConfig, corpus: RetrievalCorpus) -> list[Document]:
    if not config.tools:
        return list(corpus.documents)
    from octupus.agent.retrieve.index import documents_of
    from octupus.agent.tools.sources import open_toolbox

    async with await open_toolbox(config.tools) as toolbox:
        return documents_of(toolbox)

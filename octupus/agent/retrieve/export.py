"""The trained encoder as a Hugging Face directory, with a record of what it was trained on and what it reaches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from octupus.agent.retrieve.config import RetrieverConfig
from octupus.agent.retrieve.corpus import RetrievalCorpus
from octupus.agent.retrieve.encoder import Encoder
from octupus.config import changed_settings
from octupus.errors import OutputError, TrainingError
from octupus.telemetry import run_record, write_json

RECORD_FILE = "retriever.json"
_SAMPLES = 16
_TOLERANCE = 1e-4


def identity_of(config: RetrieverConfig, corpus: RetrievalCorpus) -> dict[str, Any]:
    """What must stay the same for a run to continue, or for its export to be taken for done."""
    if config.encoder is None:
        start = {f"small_encoder.{name}": value for name, value in config.small_encoder.model_dump().items()}
    else:
        start = {"encoder": str(config.encoder)}
    settings = {f"training.{name}": value for name, value in config.training.model_dump(mode="json").items()}
    return {
        **start,
        **settings,
        "scaling.workers": config.scaling.workers,
        "the sha256 of the corpus": corpus.sha256,
    }


def exported(config: RetrieverConfig, corpus: RetrievalCorpus) -> dict[str, Any] | None:
    """The record of a finished export, None without one.

    Raises TrainingError when there is one of other settings, or something else in its place.
    """
    if not config.export.exists():
        return None
    try:
        record: dict[str, Any] = json.loads((config.export / RECORD_FILE).read_text(encoding="utf-8"))
        changed = changed_settings(record["identity"], identity_of(config, corpus))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{config.export} exists and is no export of a retriever; choose another export") from error
    if changed:
        raise TrainingError(
            f"{config.export} was trained otherwise: {'; '.join(changed)}; remove it, or choose another export"
        )
    return record


def export_encoder(
    encoder: Encoder,
    config: RetrieverConfig,
    corpus: RetrievalCorpus,
    identity: dict[str, Any],
    test: dict[str, float],
) -> None:
    """Write `config.export`, whole or not at all.

    Raises TrainingError when the written encoder, loaded again, gives other vectors, and OutputError when it cannot be
    written.
    """
    target = config.export
    partial = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        encoder.save(partial)
        _verify(encoder, partial, [query.text for query in corpus.queries[:_SAMPLES]])
        record = {
            **run_record(config),
            "identity": identity,
            "max_tokens": config.training.max_tokens,
            "pooling": "mean",
            "similarity": "cosine",
            "corpus": dict(corpus.counts),
            "test": test,
        }
        write_json(partial / RECORD_FILE, record)
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write the encoder to {target}: {error}") from error


def _verify(encoder: Encoder, directory: Path, texts: list[str]) -> None:
    loaded = Encoder.open(directory, encoder.max_tokens)
    distance = float(np.abs(loaded.embed(texts) - encoder.embed(texts)).max())
    if not distance < _TOLERANCE:
        raise TrainingError(f"the exported encoder, loaded again, is not the trained one: vectors differ by {distance}")

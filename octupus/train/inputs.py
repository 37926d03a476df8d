"""What is checked of a stage's model, data and places of output before anything starts; needs no Ray and no torch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from octupus.chat.registry import ModelChat, model_chat
from octupus.data.manifest import check_tokenizer, read_manifest, verify
from octupus.errors import ConfigError, ManifestError, OutputError, VocabularyError
from octupus.train.config import StageConfig
from octupus.train.engine.deepspeed_config import check_deepspeed_json
from octupus.train.packs.prepared import PreparedData, read_prepared

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Files one of which holds a model's weights, or names the files that do."""

ADAPTER = "adapter_config.json"
"""What PEFT writes beside adapter weights instead of config.json."""


def check_inputs(config: StageConfig) -> PreparedData:
    """Check the model directory, the data against it, and a DeepSpeed file of one's own; returns the training data.

    Reads every shard once, for its hash. Raises ConfigError (no whole model in the directory, or an unfitting DeepSpeed
    file), VocabularyError (no tokenizer, or one without control tokens or embedding rows) and ManifestError (data
    missing, damaged, made for another model, or longer than the model reads).
    """
    check_deepspeed_json(config)
    settings = check_model_directory(config.model)
    chat = model_chat(config.model)
    _check_embedding_rows(config.model, settings, chat)
    if config.evaluation is not None:
        _check_prepared(config.evaluation.directory, config.model, settings, chat)
    return _check_prepared(config.data.directory, config.model, settings, chat)


def check_output(config: StageConfig) -> None:
    """Check that the run's directory, the export's and the offload directory can be written, without making them.

    Directories are those of this machine; object storage is only asked whether it exists. Raises OutputError.
    """
    from octupus.train.checkpoint.storage import Storage

    local = Storage(config.run.location).local
    if local is not None:
        _check_writable("run.storage", local)
    if config.export is not None:
        _check_writable("export", config.export.absolute().parent)
    engine = config.engine
    if "nvme" in (engine.offload_optimizer, engine.offload_parameters) and engine.offload_directory is not None:
        if not engine.offload_directory.is_dir():
            raise OutputError(
                f"engine.offload_directory {engine.offload_directory} is no directory; make it, on a local disk of "
                "every node"
            )
        _check_writable("engine.offload_directory", engine.offload_directory.absolute())


def check_model_directory(directory: Path) -> dict[str, Any]:
    """The content of a model's config.json, once it is clear that its weights are there too.

    Raises ConfigError saying which file is missing or damaged, and VocabularyError when it is the tokenizer.
    """
    if not directory.exists():
        raise ConfigError(f"model {directory} does not exist; give a Hugging Face model directory of this machine")
    if not directory.is_dir():
        raise ConfigError(f"model {directory} is a file; give the directory that holds it")
    if (directory / ADAPTER).is_file():
        raise ConfigError(
            f"model {directory} is an adapter, not a whole model; merge it first with "
            f"`python jobs/merge_lora.py --adapter {directory} --output DIRECTORY`"
        )
    if not (directory / "config.json").is_file():
        raise ConfigError(f"model {directory} has no config.json, so it is no Hugging Face model directory")
    settings = _read_object(directory / "config.json")
    _check_weights(directory)
    if not (directory / "tokenizer.json").is_file():
        raise VocabularyError(
            f"model {directory} has no tokenizer.json; copy the one its weights were trained with, or convert a slow "
            "tokenizer with transformers"
        )
    return settings


def _check_weights(directory: Path) -> None:
    present = [name for name in WEIGHTS if (directory / name).is_file()]
    if not present:
        raise ConfigError(f"model {directory} has no weights; it must hold one of {', '.join(WEIGHTS)}")
    names = present[:1]
    if names[0].endswith(".index.json"):
        index = _read_object(directory / names[0])
        names = sorted(set(index.get("weight_map", {}).values()))
    for name in names:
        if not (directory / name).is_file():
            raise ConfigError(f"model {directory} lacks {name}, which {present[0]} names; copy the model again")
        if name.endswith(".safetensors"):
            _check_safetensors(directory / name)


def _check_safetensors(file: Path) -> None:
    """Read the header, which says how long the file is: a broken download ends too early."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ConfigError(f"{file} is damaged: {error}; copy the model again") from error


def _check_embedding_rows(directory: Path, settings: dict[str, Any], chat: ModelChat) -> None:
    """The data holds ids of this tokenizer only, so it is enough that the tokenizer fits the matrix."""
    rows = _text_setting(settings, "vocab_size")
    if rows is not None and len(chat.tokenizer) > rows:
        raise VocabularyError(
            f"the tokenizer of {directory} has {len(chat.tokenizer)} ids but its embedding matrix has {rows} rows "
            "(vocab_size in config.json); the directory mixes files of two models"
        )


def _check_prepared(directory: Path, model: Path, settings: dict[str, Any], chat: ModelChat) -> PreparedData:
    prepared = read_prepared(directory)
    manifest = read_manifest(prepared.directory)
    check_tokenizer(manifest, chat.tokenizer)
    if prepared.dialect != chat.dialect.name:
        raise ManifestError(
            f"{prepared.directory} was prepared in the {prepared.dialect} dialect, but {model} speaks "
            f"{chat.dialect.name}; prepare the data for this model"
        )
    if manifest.trained_tokens == 0:
        raise ManifestError(
            f"{prepared.directory} holds no token to train: all of its conversations are masked; its report.html says "
            "what was masked"
        )
    verify(prepared.directory, manifest)
    _check_lengths(prepared, model, _text_setting(settings, "max_position_embeddings", "n_positions"))
    return prepared


def _check_lengths(prepared: PreparedData, model: Path, positions: int | None) -> None:
    """Raises ManifestError at the first pack over the token budget or with a document over `positions`."""
    pack_id = -1
    for pack_id, (tokens, longest) in enumerate(_pack_lengths(prepared)):
        if tokens > prepared.token_budget:
            raise ManifestError(
                f"pack {pack_id} of {prepared.directory} has {tokens} tokens, but the manifest's token_budget is "
                f"{prepared.token_budget}; prepare the data again"
            )
        if positions is not None and longest > positions:
            raise ManifestError(
                f"pack {pack_id} of {prepared.directory} holds a document of {longest} tokens, but {model} reads at "
                f"most {positions} (max_position_embeddings in its config.json); prepare the data with a token budget "
                "of at most that"
            )
    if pack_id + 1 != prepared.packs:
        raise ManifestError(
            f"the shards of {prepared.directory} hold {pack_id + 1} packs, but the manifest says {prepared.packs}; "
            "prepare the data again"
        )


def _pack_lengths(prepared: PreparedData) -> Iterator[tuple[int, int]]:
    """Of every pack, in order: its tokens and those of its longest document. Reads one column of the shards."""
    import pyarrow.parquet as pq

    for shard in prepared.shards:
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(columns=["lengths"]):
                for lengths in batch.column("lengths").to_pylist():
                    yield sum(lengths), max(lengths, default=0)


def _text_setting(settings: dict[str, Any], *names: str) -> int | None:
    """An integer of config.json, where models that also see or hear have a part of its own for text."""
    text = settings.get("text_config", settings)
    found = [text[name] for name in names if isinstance(text.get(name), int)]
    return found[0] if found else None


def _read_object(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text("utf-8"))
    except ValueError as error:  # not JSON, or no text
        raise ConfigError(f"{file} is not valid JSON: {error}; copy the model again") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{file} must hold an object, not a {type(value).__name__}; copy the model again")
    return value


def _check_writable(key: str, directory: Path) -> None:
    """Raises OutputError unless a file can be made in `directory`, or in the nearest parent that exists."""
    try:
        existing = next(place for place in (directory, *directory.parents) if place.exists())
        if not existing.is_dir():
            raise OutputError(f"{key}: {directory} cannot be a directory, since {existing} is a file; choose another")
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OutputError(f"{key}: {directory} cannot be written: {error}; choose another, or allow it") from error

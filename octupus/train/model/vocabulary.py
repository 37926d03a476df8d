"""Give a base model the control tokens of a dialect.

A new token's embedding starts as the mean of the embeddings of a text that says what the token stands for, so that
the model meets it as something it half knows.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer

from octupus.chat.dialect import Dialect
from octupus.chat.registry import dialect_named
from octupus.chat.tokenizer import ChatTokenizer
from octupus.errors import VocabularyError
from octupus.telemetry import event, write_json
from octupus.train.config import VocabularyConfig
from octupus.train.model.directory import copy_tokenizer, published, read_record, write_generation_config, write_record

logger = logging.getLogger(__name__)

DESCRIPTIONS = {
    "<|SYSTEM|>": "system",
    "<|USER|>": "user",
    "<|ASSISTANT|>": "assistant",
    "<|CONTENT|>": "content",
    "<|FUNCTION_CALL|>": "tool call",
    "<|PARAMETERS|>": "arguments",
    "<|FUNCTION_OUTPUT|>": "tool response",
    "<|im_start|>": "start of a message",
    "<|im_end|>": "end of a message",
    "<tool_call>": "start of a tool call",
    "</tool_call>": "end of a tool call",
}
"""What each control token stands for, in words of the base model."""


def edit_vocabulary(config: VocabularyConfig) -> Path:
    """Write `config.output`: the base model with the dialect's control tokens and chat template.

    Tokens that the base already has keep their ids and rows, and the embedding matrix grows only when the base has
    no spare rows. An output made earlier from the same base and dialect is reused. Raises VocabularyError when the
    base is no model directory, its matrix is smaller than its tokenizer, or the output holds something else.
    """
    dialect = dialect_named(config.dialect)
    base, output = config.base.absolute(), config.output.absolute()
    if output.exists():
        record = read_record(output)
        made_from = [entry.get("start") for entry in record.get("lineage", [])[-1:]]
        if made_from == [str(base)] and record["dialect"] == dialect.name:
            event(logger, "vocabulary.reused", output=output)
            return output
        raise VocabularyError(f"{output} exists and was not made from {base}; remove it or choose another --output")
    original = ChatTokenizer.from_directory(base)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    added = add_control_tokens(tokenizer, dialect)
    model = _load_model(base)
    initialise_rows(model, original, {tokenizer.get_vocab()[token]: DESCRIPTIONS[token] for token in added})
    model.config.eos_token_id = original.end_id
    with published(output) as directory:
        model.save_pretrained(directory)
        copy_tokenizer(base, directory)
        tokenizer.save(str(directory / "tokenizer.json"))
        _write_tokenizer_config(base, directory, tokenizer)
        edited = ChatTokenizer.from_directory(directory)
        (directory / "chat_template.jinja").write_text(dialect.chat_template(edited), encoding="utf-8")
        write_generation_config(base, directory, edited.end_id)
        entry = {"job": "edit_tokenizer", "start": str(base), "control_tokens_added": added}
        write_record(base, directory, dialect.name, entry)
    event(logger, "vocabulary.edited", output=output, added=len(added), rows=embedding_rows(model))
    return output


def add_control_tokens(tokenizer: Tokenizer, dialect: Dialect) -> list[str]:
    """Add the dialect's control tokens as special tokens; returns those that the tokenizer did not have."""
    missing = [token for token in dialect.control_tokens if tokenizer.token_to_id(token) is None]
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False, lstrip=False, rstrip=False)
            for token in dialect.control_tokens
        ]
    )
    return missing


def initialise_rows(model: torch.nn.Module, original: ChatTokenizer, descriptions: dict[int, str]) -> None:
    """Set the embedding rows of new tokens, by id, to the mean of the rows of their descriptions.

    Input and output embeddings alike; one matrix when they are tied. Means are taken in float32. Raises
    VocabularyError when the matrix has no row for some token that the tokenizer had before.
    """
    rows = embedding_rows(model)
    if len(original) > rows:
        raise VocabularyError(
            f"the embedding matrix has {rows} rows but the tokenizer of {original.origin} has {len(original)} ids; "
            "the directory mixes files of two models"
        )
    needed = max(descriptions, default=-1) + 1
    if needed > rows:
        model.resize_token_embeddings(needed, mean_resizing=False)
    matrices = {id(matrix): matrix for matrix in _embedding_matrices(model)}
    with torch.no_grad():
        for token_id, description in descriptions.items():
            words = original.encode(description)
            for matrix in matrices.values():
                matrix[token_id] = matrix[words].float().mean(dim=0).to(matrix.dtype)


def embedding_rows(model: torch.nn.Module) -> int:
    """Rows of the input embedding matrix, padding included."""
    return int(model.get_input_embeddings().weight.shape[0])


def _embedding_matrices(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [model.get_input_embeddings().weight, model.get_output_embeddings().weight]


def _load_model(directory: Path) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(directory, dtype="auto")
    except (OSError, ValueError) as error:
        raise VocabularyError(f"{directory} cannot be loaded as a causal language model: {error}") from error


def _write_tokenizer_config(base: Path, target: Path, tokenizer: Tokenizer) -> None:
    """Settings name every added token, because transformers may rebuild a tokenizer from its settings."""
    settings: dict[str, Any] = json.loads((base / "tokenizer_config.json").read_text("utf-8"))
    settings.pop("chat_template", None)  # it would compete with chat_template.jinja
    settings["added_tokens_decoder"] = {
        str(token_id): {
            "content": token.content,
            "lstrip": token.lstrip,
            "normalized": token.normalized,
            "rstrip": token.rstrip,
            "single_word": token.single_word,
            "special": token.special,
        }
        for token_id, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    write_json(target / "tokenizer_config.json", settings)

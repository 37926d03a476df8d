"""`octupus check-tools`: which tools' schemas constrained decoding enforces, before a server refuses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import Backends
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import ConfigError


def check_tools(file: Path, backend_name: str) -> int:
    """Print a line for each tool, and one for each keyword that is refused; 0 when all tools are enforced."""
    backend = Backends(TokenVocabulary(_byte_tokenizer())).named(backend_name)
    refused = 0
    for function in _functions(file):
        found = backend.check(function.get("parameters") or {"type": "object", "properties": {}})
        refused += bool(found)
        print(f"{'refused ' if found else 'enforced'} {function.get('name')}")
        for unsupported in found:
            print(f"         {unsupported.json_pointer}: {unsupported.keyword}: {unsupported.explanation}")
    return 1 if refused else 0


def _functions(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise ConfigError(f"{file} does not exist; give a JSON file with a list of tools")
    try:
        tools = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ConfigError(f"{file} must hold a list of tools, as `tools` of a request")
    return [tool.get("function", tool) for tool in tools]


def _byte_tokenizer() -> ChatTokenizer:
    """One token a byte: whether a schema can be enforced hardly depends on the model, so none is asked for."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: position for position, character in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>", *OCTUPUS.control_tokens])
    return ChatTokenizer(tokenizer, "<end>")

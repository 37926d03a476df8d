"""`octupus check-tools`: what constrained decoding makes of tools' schemas, before a server refuses them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.admission import Handling, OnUnenforceable, RefusedSchemaError, SchemaAdmission, Verdict
from octupus.decoding.backends import installed
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import ConfigError
from octupus.serve.protocol.tools import TOOL_NAME


@dataclass(frozen=True)
class CheckOptions:
    """What `octupus check-tools` is asked to do."""

    file: Path
    backend: str = "auto"
    on_unenforceable: OnUnenforceable = "refuse"
    keywords: bool = False
    """Whether every keyword is listed, under every backend."""


def check_tools(options: CheckOptions) -> int:
    """Print a line for each tool, and one for each keyword that is not enforced; 0 when no tool is refused."""
    factory = TurnFactory(TokenVocabulary(_byte_tokenizer()), OCTUPUS.layout(_byte_tokenizer()))
    admission = SchemaAdmission(factory, options.backend, options.on_unenforceable)
    refused = 0
    names: set[str] = set()
    for function in _functions(options.file):
        name, schema = str(function.get("name")), function.get("parameters") or {"type": "object", "properties": {}}
        problem = _name_problem(name, names)
        names.add(name)
        try:
            admitted = admission.arguments(schema)
        except RefusedSchemaError as error:
            _say(Handling.REFUSED, name, error.refusals[0].explanation if not error.refusals[0].json_pointer else "")
            for item in error.refusals:
                _say(Handling.REFUSED, f"  {item.json_pointer or '/'}", item.explanation)
            refused += 1
        else:
            handling = Handling.REFUSED if problem else Handling.CHECKED if admitted.checked else Handling.ENFORCED
            _say(handling, name, problem or f"by {admitted.value.backend}")
            for item in admitted.checked:
                _say(Handling.CHECKED, f"  {item.json_pointer or '/'}", item.explanation)
            refused += problem is not None
        if options.keywords:
            _list_keywords(admission, schema)
    return 1 if refused else 0


def _say(handling: Handling, what: str, explanation: str) -> None:
    print(f"{handling.value:9}{what}{': ' + explanation if explanation else ''}")


def _name_problem(name: str, earlier: set[str]) -> str | None:
    if not TOOL_NAME.fullmatch(name):
        return f"the name must match {TOOL_NAME.pattern}"
    return "the name is defined twice" if name in earlier else None


def _list_keywords(admission: SchemaAdmission, schema: dict[str, Any]) -> None:
    by_backend = {backend: {v.json_pointer: v for v in admission.verdicts(schema, backend)} for backend in installed()}
    places = list(dict.fromkeys(place for verdicts in by_backend.values() for place in verdicts))
    width = max((len(place) for place in places), default=0)
    print(" " * (11 + width), *(f"{backend:20}" for backend in installed()))
    for place in places:
        print(" " * 10, f"{place:{width}}", *(f"{_cell(verdicts.get(place)):20}" for verdicts in by_backend.values()))


def _cell(verdict: Verdict | None) -> str:
    return "" if verdict is None else verdict.handling.value


def _functions(file: Path) -> Sequence[dict[str, Any]]:
    if not file.is_file():
        raise ConfigError(f"{file} does not exist; give a JSON file with a list of tools")
    try:
        tools = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
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

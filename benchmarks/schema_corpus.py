"""What benchmarks of decoding share: a tokenizer with control tokens, and real schemas with valid values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer

FUNCTIONS = ("BFCL", "Glaive")
"""Schemas of tools: how their names begin."""


@dataclass(frozen=True)
class Sample:
    """A schema with valid values of it."""

    name: str
    schema: dict[str, Any]
    values: tuple[Any, ...]

    @property
    def is_function(self) -> bool:
        """Whether it is the schema of a tool's arguments."""
        return self.name.startswith(FUNCTIONS)


def read_tokenizer(directory: Path, end: str, control_tokens: bool = True) -> ChatTokenizer:
    """The tokenizer of a directory; octupus's control tokens are added in memory."""
    inner = Tokenizer.from_file(str(directory / "tokenizer.json"))
    if control_tokens:
        inner.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    return ChatTokenizer(inner, end)


def read_samples(file: Path) -> list[Sample]:
    """Rows {name, schema, tests: [{valid, data}]}, as MaskBench has them."""
    samples = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        values = tuple(test["data"] for test in row["tests"] if test["valid"])
        samples.append(_unwrapped(Sample(row["name"], row["schema"], values)))
    return samples


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def _unwrapped(sample: Sample) -> Sample:
    """MaskBench holds a call of BFCL as an object whose only key is the function's name."""
    properties = sample.schema.get("properties", {})
    if not sample.name.startswith("BFCL") or len(properties) != 1:
        return sample
    (name,) = properties
    return Sample(sample.name, properties[name], tuple(value[name] for value in sample.values if name in value))

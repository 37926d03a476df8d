"""Whether the backends keep their word on real schemas and on the test suite of JSON Schema."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.backends import BACKENDS, Backends
from octupus.decoding.vocabulary import TokenVocabulary, allows
from octupus.errors import OctupusError
from octupus.schema.normal import NormalSchema, normalise

SELECTED = 40


def ends(matcher: ArgumentsMatcher, ids: list[int], vocabulary: TokenVocabulary) -> bool:
    """Whether the matcher lets exactly these tokens be a whole value, its masks and `accept` agreeing."""
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    for token_id in ids:
        matcher.fill(row)
        allowed = allows(row, token_id)
        assert matcher.accept(token_id) == allowed
        if not allowed:
            return False
    return matcher.can_end()


def expressed(schema: Any) -> NormalSchema | None:
    try:
        normal = normalise(schema)
    except OctupusError:
        return None
    return None if normal.unexpressed else normal


@pytest.mark.parametrize("name", sorted(BACKENDS))
@pytest.mark.parametrize("file", ["maskbench_sample.jsonl", "test_suite_2020_12.jsonl"])
def test_no_admitted_schema_lets_an_invalid_instance_end(
    name: str, file: str, tokenizer: ChatTokenizer, shared: Callable[[str], Path]
) -> None:
    if name == "xgrammar":
        pytest.importorskip("xgrammar")
    lines = shared(f"corpora/json_schemas/{file}").read_text("utf-8").splitlines()
    vocabulary = TokenVocabulary(tokenizer)
    backend = Backends(vocabulary).named(name)
    admitted = invalid = 0
    for line in random.Random(5).sample(sorted(lines, key=len)[: len(lines) * 3 // 4], SELECTED):
        case = json.loads(line)
        normal = expressed(case["schema"])
        if normal is None or backend.check(normal):
            continue
        admitted += 1
        for test in case["tests"]:
            ids = tokenizer.encode(json.dumps(test["data"], ensure_ascii=False))
            if not test["valid"] and len(ids) <= 600:
                invalid += 1
                assert not ends(backend.start(normal.schema), ids, vocabulary), (case, test)
    assert admitted
    assert invalid

"""Whether the backends keep their word on real schemas and on the test suite of JSON Schema."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.admission import RefusedSchemaError, SchemaAdmission
from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.backends import BACKENDS
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary, allows

SELECTED = 40
LONGEST_SCHEMA, LONGEST_INSTANCE = 3000, 600


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


def selection(file: Path) -> list[dict[str, Any]]:
    """Some cases of moderate size, always the same ones."""
    cases = [json.loads(line) for line in file.read_text("utf-8").splitlines() if len(line) < LONGEST_SCHEMA]
    # Requests hold schemas that are objects.
    return random.Random(5).sample([case for case in cases if isinstance(case["schema"], dict)], SELECTED)


@pytest.mark.parametrize("name", sorted(BACKENDS))
@pytest.mark.parametrize("file", ["maskbench_sample.jsonl", "test_suite_2020_12.jsonl"])
def test_of_an_admitted_schema_valid_instances_end_and_invalid_ones_never_do(
    name: str, file: str, tokenizer: ChatTokenizer, shared: Callable[[str], Path]
) -> None:
    if name == "xgrammar":
        pytest.importorskip("xgrammar")
    factory = TurnFactory(TokenVocabulary(tokenizer), OCTUPUS.layout(tokenizer))
    admission = SchemaAdmission(factory, name)
    ended = {True: 0, False: 0}
    seen = {True: 0, False: 0}
    for case in selection(shared(f"corpora/json_schemas/{file}")):
        try:
            value = admission.value(case["schema"]).value
        except RefusedSchemaError:
            continue
        for test in case["tests"]:
            ids = tokenizer.encode(json.dumps(test["data"], ensure_ascii=False))
            if len(ids) <= LONGEST_INSTANCE:
                accepted = ends(factory.backends.named(name).start(value.schema), ids, factory.vocabulary)
                assert test["valid"] or not accepted, (case, test)
                seen[test["valid"]] += 1
                ended[test["valid"]] += accepted
    assert min(seen.values()) > 0
    # Grammars fix the order of keys and how a number is spelled, so a few valid instances may not end.
    assert ended[True] >= 0.8 * seen[True]

"""Many random turns over a real vocabulary of 151k entries: `make soak`; numbers in docs/promises.md."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.chat.parse import fold
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import Backends
from octupus.decoding.turn import TurnConstraint, TurnSpec
from octupus.decoding.vocabulary import TokenVocabulary, allows

pytestmark = pytest.mark.timeout(1800)

TURNS = 300
BUDGET = 200


@pytest.fixture(scope="module")
def backends(shared: Callable[[str], Path]) -> Backends:
    inner = Tokenizer.from_file(str(shared("qwen_tokenizer/tokenizer.json")))
    inner.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    return Backends(TokenVocabulary(ChatTokenizer(inner, "<|im_end|>"), size=152064))


def tools(shared: Callable[[str], Path]) -> dict[str, dict[str, Any]]:
    """Every tool of the English glaive file, by name."""
    found: dict[str, dict[str, Any]] = {}
    for row in json.loads(shared("corpora/llamafactory/glaive_toolcall_en_demo.json").read_text()):
        for tool in json.loads(row["tools"]):
            found.setdefault(tool["name"], tool.get("parameters") or {"type": "object", "properties": {}})
    return found


def test_every_random_turn_is_valid(backends: Backends, shared: Callable[[str], Path]) -> None:
    catalogue = tools(shared)
    vocabulary, backend = backends.vocabulary, backends.named("llguidance")
    admitted = {name: schema for name, schema in catalogue.items() if not backend.check(schema)}
    assert len(admitted) > 0.9 * len(catalogue)
    randomness = random.Random(0)
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    cut: list[str] = []
    for _ in range(TURNS):
        names = randomness.sample(sorted(admitted), randomness.choice((1, 2, 8)))
        spec = TurnSpec(
            {name: admitted[name] for name in names},
            randomness.choice(("auto", "required")),
            randomness.random() < 0.5,
            max_tokens=BUDGET,
        )
        turn = TurnConstraint(spec, vocabulary, backend)
        ids: list[int] = []
        while not turn.is_done() and len(ids) < BUDGET:
            turn.fill(row)
            allowed = np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))
            assert len(allowed)
            calling = allows(row, vocabulary.call) and randomness.random() < 0.3
            ids.append(vocabulary.call if calling else int(allowed[randomness.randrange(len(allowed))]))
            assert turn.accept(ids[-1])
        if not turn.is_done():
            if vocabulary.call in ids:
                cut.append(vocabulary.tokenizer.decode(ids))
            continue
        parser = OCTUPUS.parser(vocabulary.tokenizer)
        message = fold(parser.push(ids) + parser.finish())
        assert parser.malformed is None
        for call in message.tool_calls:
            jsonschema.validate(json.loads(call.function.arguments), spec.tools[call.function.name])
    print(f"{len(cut)} of {TURNS} turns were cut inside a call", *cut[:3], sep="\n")
    assert len(cut) <= TURNS // 100

"""octupus's backend under vLLM's interface, without an engine."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.spec import REQUIRED, TurnSpec, ValueSpec
from octupus.errors import ConfigError

backend_types = pytest.importorskip("vllm.v1.structured_output.backend_types")
from octupus.serve.engine.plugin import backend_class, register  # noqa: E402

TAG = backend_types.StructuredOutputOptions.STRUCTURAL_TAG
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 9}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
SPEC = TurnSpec({"get_weather": ValueSpec(SCHEMA)}, tool_choice=REQUIRED, max_tokens=60)


@pytest.fixture(scope="module")
def make(tokenizer_directory: Path) -> Callable[[], Any]:
    """A new backend, which has compiled nothing yet."""
    config = SimpleNamespace(model_config=SimpleNamespace(tokenizer=str(tokenizer_directory)))
    size = len(ChatTokenizer.from_directory(tokenizer_directory)) + 27
    return lambda: backend_class()(config, tokenizer=None, vocab_size=size)


def compile_spec(backend: Any, spec: TurnSpec, stop: set[int] | None = None) -> Any:
    return backend.compile_grammar(TAG, spec.to_json(), stop_token_ids=stop)


def allowed(backend: Any, grammar: Any) -> list[int]:
    """Ids that the grammar's row of a bitmask allows."""
    bits = backend.allocate_token_bitmask(3)
    grammar.fill_bitmask(bits, 1)
    assert (bits[[0, 2]] == -1).all()
    row = np.unpackbits(bits[1].numpy().view(np.uint8), bitorder="little")
    return [int(token) for token in np.flatnonzero(row)]


def walk(backend: Any, grammar: Any, seed: int) -> list[int]:
    """A random turn."""
    random, ids = Random(seed), []
    while not grammar.is_terminated():
        ids.append(random.choice(allowed(backend, grammar)))
        assert grammar.accept_tokens("request", ids[-1:])
    return ids


def test_register_serves_vllm(make: Callable[[], Any]) -> None:
    import vllm.v1.structured_output.backend_lm_format_enforcer as module

    register()
    first = module.LMFormatEnforcerBackend
    register()
    assert module.LMFormatEnforcerBackend is first
    assert isinstance(make(), first)


@pytest.mark.parametrize("seed", range(5))
def test_drafts_are_judged_and_taken_back(make: Callable[[], Any], tokenizer: ChatTokenizer, seed: int) -> None:
    """As with speculative decoding: rows behind each drafted token, and a rollback to before the draft."""
    backend, random = make(), Random(seed)
    grammar = compile_spec(backend, SPEC, {tokenizer.end_id})
    turn = walk(backend, compile_spec(backend, SPEC, {tokenizer.end_id}), seed)
    assert len(turn) <= 60
    position = 0
    while position < len(turn):
        draft = turn[position : position + random.randrange(1, 5)]
        before = allowed(backend, grammar)
        wrong = next(token for token in range(len(tokenizer)) if token not in before)
        assert grammar.validate_tokens(draft) == draft
        assert grammar.validate_tokens([*draft, wrong])[: len(draft)] == draft
        assert grammar.validate_tokens([wrong, *draft]) == []
        assert not grammar.accept_tokens("request", [wrong])
        assert allowed(backend, grammar) == before
        assert grammar.accept_tokens("request", draft)
        grammar.rollback(len(draft))
        assert allowed(backend, grammar) == before
        kept = random.randrange(1, len(draft) + 1)
        assert grammar.accept_tokens("request", draft[:kept])
        position += kept
    assert grammar.is_terminated()
    assert not grammar.accept_tokens("request", [tokenizer.end_id])
    grammar.reset()
    assert not grammar.is_terminated()
    assert grammar.accept_tokens("request", turn)


def test_a_turn_that_was_begun_elsewhere_goes_on(make: Callable[[], Any]) -> None:
    backend = make()
    turn = walk(backend, compile_spec(backend, SPEC), 3)
    for cut in range(len(turn)):
        grammar = compile_spec(backend, replace(SPEC, generated=tuple(turn[:cut])))
        assert grammar.accept_tokens("request", turn[cut:])
        assert grammar.is_terminated()
        grammar.reset()
        assert turn[cut] in allowed(backend, grammar)


def test_threads_compile_and_fill_at_once(make: Callable[[], Any]) -> None:
    """vLLM compiles in a pool and, in large batches, fills masks in another."""
    specs = [
        replace(SPEC, tools={f"get_{number % 7}": ValueSpec(SCHEMA, backend)}, tool_choice=REQUIRED)
        for number in range(12)
        for backend in ("llguidance", "lm-format-enforcer")
    ]
    serial, shared = make(), make()
    expected = [walk(serial, compile_spec(serial, spec), seed) for seed, spec in enumerate(specs)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda item: walk(shared, compile_spec(shared, item[1]), item[0]), enumerate(specs))
        assert list(found) == expected


def test_only_the_end_of_a_turn_may_stop_a_request(make: Callable[[], Any], tokenizer: ChatTokenizer) -> None:
    backend, end = make(), tokenizer.end_id
    further = tokenizer.control_id("<|endoftext|>")
    compile_spec(backend, SPEC, {end, further, 10_000_000})
    with pytest.raises(ValueError, match=r"does not stop at <\|im_end\|>"):
        compile_spec(backend, SPEC, {further})
    with pytest.raises(ValueError, match="would cut it"):
        compile_spec(backend, SPEC, {end, tokenizer.encode("a")[0]})


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        json.dumps({"octupus": {"unknown": 1}}),
        TurnSpec({"get": ValueSpec(SCHEMA, "unknown")}, tool_choice=REQUIRED).to_json(),
        TurnSpec({"get": ValueSpec({"enum": []})}, tool_choice=REQUIRED).to_json(),
        replace(SPEC, generated=(0, 0, 0)).to_json(),
    ],
)
def test_a_spec_that_does_not_compile_harms_no_other(make: Callable[[], Any], text: str) -> None:
    backend = make()
    with pytest.raises((ValueError, KeyError, TypeError, ConfigError)):
        backend.compile_grammar(TAG, text)
    assert walk(backend, compile_spec(backend, SPEC), 0)


def test_other_kinds_of_constraint_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        make().compile_grammar(backend_types.StructuredOutputOptions.JSON, "{}")


def test_masks_forbid_what_the_tokenizer_does_not_have(make: Callable[[], Any], tokenizer: ChatTokenizer) -> None:
    """The model's logits are wider than its tokenizer."""
    backend = make()
    grammar = compile_spec(backend, TurnSpec())
    bits = torch.full_like(backend.allocate_token_bitmask(1), -1)
    grammar.accept_tokens("request", allowed(backend, grammar)[:1])
    grammar.fill_bitmask(bits, 0)
    row = np.unpackbits(bits[0].numpy().view(np.uint8), bitorder="little")
    assert row[: len(tokenizer)].any()
    assert not row[len(tokenizer) :].any()

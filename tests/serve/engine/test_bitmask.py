"""Masks applied by octupus equal masks applied by vLLM, whatever the mask, the order of rows and the type of logits."""

from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from octupus.serve.engine import bitmask

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
SPECIAL = [0.0, -0.0, np.inf, -np.inf, 6e4, -6e4, 1e-7]


@dataclass
class Step:
    """What vLLM hands to the function, and the logits."""

    scheduled: SimpleNamespace
    grammar: SimpleNamespace
    batch: SimpleNamespace
    logits: torch.Tensor


@st.composite
def steps(draw: st.DrawFn, word: int) -> Step:
    """A batch of requests, some constrained, in any order on both sides, each with any number of drafted tokens.

    The vocabulary is a multiple of `word`.
    """
    width = word * draw(st.integers(1, 300 // word))
    random = Random(draw(st.integers(0, 2**32)))
    batch = [f"request{number}" for number in range(draw(st.integers(1, 6)))]
    # Requests may have left the batch since the masks were filled.
    constrained = [request for request in [*batch, "gone"] if random.random() < 0.7]
    random.shuffle(constrained)
    drafted = {request: [0] * random.randrange(1, 4) for request in [*batch, "gone"] if random.random() < 0.4}
    rows, masks = (sum(1 + len(drafted.get(request, ())) for request in side) for side in (batch, constrained))
    density = draw(st.sampled_from([0.0, 0.001, 0.5, 0.99, 1.0]))
    generator = np.random.default_rng(random.randrange(2**32))
    bits = generator.random((masks, (width + 31) // 32 * 32)) < density
    values = generator.standard_normal((rows, width)) * 10
    values[generator.random((rows, width)) < 0.1] = draw(st.sampled_from(SPECIAL))
    return Step(
        SimpleNamespace(scheduled_spec_decode_tokens=drafted),
        SimpleNamespace(
            structured_output_request_ids=constrained,
            grammar_bitmask=np.packbits(bits, axis=1, bitorder="little").view(np.int32),
        ),
        SimpleNamespace(req_ids=batch),
        torch.from_numpy(values).to(draw(st.sampled_from(DTYPES))),
    )


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are equal to the sign of zero."""
    return torch.equal(one, other) and torch.equal(torch.signbit(one), torch.signbit(other))


@pytest.fixture(scope="module")
def stock() -> Any:
    """vLLM's own function."""
    utils = pytest.importorskip("vllm.v1.structured_output.utils")
    return getattr(utils.apply_grammar_bitmask, "replaced", utils.apply_grammar_bitmask)


# vLLM's own function writes outside of the logits where the vocabulary does not fill its last word.
@given(step=steps(word=32))
def test_equals_vllms_own(stock: Any, step: Step) -> None:
    expected = step.logits.clone()
    stock(step.scheduled, step.grammar, step.batch, expected)
    bitmask.replacement(stock)(step.scheduled, step.grammar, step.batch, step.logits)
    assert same(step.logits, expected)


@given(step=steps(word=1))
def test_every_vocabulary_size(step: Step) -> None:
    """Against the definition: bit t of a request's row n decides token t of that request's row n of logits."""
    drafted, masks = step.scheduled.scheduled_spec_decode_tokens, step.grammar.grammar_bitmask
    owners = [
        [(request, number) for request in side for number in range(1 + len(drafted.get(request, ())))]
        for side in (step.batch.req_ids, step.grammar.structured_output_request_ids)
    ]
    expected = step.logits.clone()
    for row, owner in enumerate(owners[0]):
        if owner in owners[1]:
            mask = masks[owners[1].index(owner)]
            forbidden = [token for token in range(expected.shape[1]) if not int(mask[token // 32]) >> token % 32 & 1]
            expected[row, forbidden] = -torch.inf
    bitmask.replacement(unexpected)(step.scheduled, step.grammar, step.batch, step.logits)
    assert same(step.logits, expected)


def unexpected(*arguments: Any) -> None:
    """Stands where vLLM's own function must not be called."""
    raise AssertionError(arguments)


def test_rows_of_a_larger_matrix_and_of_another_type() -> None:
    """Logits may be a slice; a type without a table goes to vLLM."""
    seen: list[torch.Tensor] = []
    apply = bitmask.replacement(lambda scheduled, grammar, batch, logits: seen.append(logits))
    grammar = SimpleNamespace(
        structured_output_request_ids=["a", "b"], grammar_bitmask=np.array([[1], [2]], dtype=np.int32)
    )
    scheduled, batch = SimpleNamespace(scheduled_spec_decode_tokens={}), SimpleNamespace(req_ids=["b", "a"])
    whole = torch.ones(2, 9)
    apply(scheduled, grammar, batch, whole[:, 3:6])
    inf = float("inf")
    expected = torch.tensor([[-inf, 1.0, -inf], [1.0, -inf, -inf]])
    assert torch.equal(whole[:, 3:6], expected)
    assert torch.equal(whole[:, [0, 1, 2, 6, 7, 8]], torch.ones(2, 6))
    apply(scheduled, grammar, batch, whole.double())
    apply(scheduled, grammar, batch, torch.ones(3, 2).T)
    assert [logits.shape for logits in seen] == [(2, 9), (2, 3)]


def test_installing_again_changes_nothing() -> None:
    utils = pytest.importorskip("vllm.v1.structured_output.utils")
    before = utils.apply_grammar_bitmask
    try:
        bitmask.install()
        installed = utils.apply_grammar_bitmask
        bitmask.install()
        assert utils.apply_grammar_bitmask is installed
        assert installed.replaced is getattr(before, "replaced", before)
        runner = pytest.importorskip("vllm.v1.worker.gpu_model_runner")
        assert runner.apply_grammar_bitmask is installed
    finally:
        utils.apply_grammar_bitmask = before

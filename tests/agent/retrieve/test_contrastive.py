import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.retrieve.batches import epoch_batches
from octupus.agent.retrieve.contrastive import Pair, excluded, ranking_loss

IDS = "abcdefgh"


@st.composite
def many_pairs(draw: st.DrawFn, most: int = 60) -> list[Pair]:
    """Pairs whose queries have one to three relevant documents of a few."""
    queries = draw(st.lists(st.sets(st.sampled_from(IDS), min_size=1, max_size=3), min_size=1, max_size=most // 3))
    return [
        Pair(f"query {number}", f"text {identity}", identity, frozenset(relevant))
        for number, relevant in enumerate(queries)
        for identity in sorted(relevant)
    ]


@given(many_pairs())
def test_no_pair_is_a_negative_of_a_pair_that_shares_a_relevant_document(pairs: list[Pair]) -> None:
    mask = excluded(pairs)
    assert not mask.diagonal().any()
    for row, first in enumerate(pairs):
        for column, second in enumerate(pairs):
            if row == column:
                continue
            related = second.document_id in first.relevant or first.document_id in second.relevant
            assert bool(mask[row, column]) == related


@given(many_pairs(), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 20.0]))
def test_the_loss_is_the_mean_over_queries_of_the_logarithm_of_the_own_documents_share(
    pairs: list[Pair], seed: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(2, len(pairs), 6, generator=generator, dtype=torch.float64)
    queries, documents = torch.nn.functional.normalize(vectors, dim=-1)
    mask = excluded(pairs)
    total = 0.0
    for row in range(len(pairs)):
        own = math.exp(scale * float(queries[row] @ documents[row]))
        others = [
            math.exp(scale * float(queries[row] @ documents[column]))
            for column in range(len(pairs))
            if column != row and not mask[row, column]
        ]
        total -= math.log(own / (own + sum(others)))
    loss = float(ranking_loss(queries, documents, scale, mask))
    assert math.isclose(loss, total / len(pairs), rel_tol=1e-9, abs_tol=1e-9)


def test_what_is_excluded_gets_no_gradient() -> None:
    pairs = [Pair("q", "t", name, frozenset("ab")) for name in "ab"] + [Pair("r", "t", "c", frozenset("c"))]
    generator = torch.Generator().manual_seed(0)
    queries, documents = torch.nn.functional.normalize(torch.randn(2, 3, 4, generator=generator), dim=-1)
    documents.requires_grad_()
    loss = ranking_loss(queries, documents, 20.0, excluded(pairs))
    without = ranking_loss(queries, documents, 20.0)
    (gradient,), (unmasked,) = (torch.autograd.grad(value, documents) for value in (loss, without))
    # Document b takes part in the rows of its own query and of r alone, not in that of the first query.
    rows = torch.softmax((queries @ documents.T * 20).masked_fill(excluded(pairs), float("-inf")), dim=1)
    assert rows[0, 1] == rows[1, 0] == 0
    expected = 20 / 3 * (rows - torch.eye(3)).T @ queries
    assert torch.allclose(gradient, expected, atol=1e-5)
    assert not torch.allclose(gradient, unmasked, atol=1e-3)


@given(many_pairs(), st.integers(2, 9), st.booleans(), st.integers(1, 4), st.integers(0, 5))
def test_an_epoch_holds_every_pair_and_gives_each_worker_equally_many_batches(
    pairs: list[Pair], size: int, apart: bool, workers: int, seed: int
) -> None:
    batches = epoch_batches(pairs, size, apart, workers, seed, epoch=0)
    assert len(batches) % workers == 0
    once = epoch_batches(pairs, size, apart, 1, seed, epoch=0)
    assert sorted(position for batch in once for position in batch) == list(range(len(pairs)))
    assert batches[: len(once)] == once
    assert len(batches) - len(once) < workers
    assert all(0 < len(batch) <= size for batch in batches)
    assert batches == epoch_batches(pairs, size, apart, workers, seed, epoch=0)


@given(many_pairs(), st.integers(2, 9), st.integers(0, 5))
def test_pairs_that_are_kept_apart_never_meet(pairs: list[Pair], size: int, seed: int) -> None:
    for batch in epoch_batches(pairs, size, True, 1, seed, epoch=1):
        assert not excluded([pairs[position] for position in batch]).any()


def test_each_epoch_and_seed_has_an_order_of_its_own() -> None:
    pairs = [Pair(str(number), "text", str(number), frozenset([str(number)])) for number in range(50)]
    orders = [epoch_batches(pairs, 8, False, 1, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert orders[0] != orders[1] != orders[2] != orders[0]

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.retrieve.metrics import mean_metrics, ndcg, recall

rankings = st.permutations(list("abcdef"))
relevants = st.sets(st.sampled_from("abcdefgh"), min_size=1)


def gain(ranked: tuple[str, ...], relevant: set[str]) -> float:
    return math.fsum((each in relevant) / math.log2(1 + rank) for rank, each in enumerate(ranked, 1))


@given(rankings, relevants, st.integers(1, 4))
def test_ndcg_is_the_gain_over_the_best_of_all_rankings(ranked: list[str], relevant: set[str], k: int) -> None:
    best = max(gain(order, relevant) for order in itertools.permutations(sorted(relevant | set("abcdef")), k))
    assert math.isclose(ndcg(ranked, relevant, k), gain(tuple(ranked[:k]), relevant) / best, abs_tol=1e-12)


@given(rankings, relevants, st.integers(1, 6))
def test_recall_counts_what_was_found(ranked: list[str], relevant: set[str], k: int) -> None:
    assert recall(ranked, relevant, k) == len(relevant & set(ranked[:k])) / len(relevant)


def test_known_values() -> None:
    assert ndcg(["x", "a"], {"a"}, 1) == 0
    assert ndcg(["x", "a"], {"a"}, 3) == 1 / math.log2(3)
    assert ndcg(["a", "x", "b"], {"a", "b", "c"}, 3) == (1 + 0.5) / (1 + 1 / math.log2(3) + 0.5)
    assert ndcg([], {"a"}, 5) == 0


def test_means_are_over_queries() -> None:
    metrics = mean_metrics([["a"], ["x", "b"]], [{"a"}, {"b"}])
    assert metrics == {
        "ndcg_1": 0.5,
        "ndcg_3": (1 + 1 / math.log2(3)) / 2,
        "ndcg_5": (1 + 1 / math.log2(3)) / 2,
        "recall_5": 1.0,
    }

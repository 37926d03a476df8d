import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.retrieve.bm25 import Bm25, words_of
from octupus.agent.retrieve.corpus import Document, RetrievalCorpus
from octupus.agent.retrieve.ranking import Fused, best

IDS = list("abcdef")
scores = st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0]), min_size=6, max_size=6)


@given(scores, st.integers(1, 8), st.none() | st.sets(st.sampled_from([*IDS, "gone"])))
def test_the_best_are_sorted_and_ties_keep_the_order(values: list[float], k: int, only: set[str] | None) -> None:
    allowed = [each for each in IDS if only is None or each in only]
    expected = sorted(allowed, key=lambda each: (-values[IDS.index(each)], IDS.index(each)))[:k]
    ranked = best(IDS, np.array(values), k, only)
    assert [each for each, _ in ranked] == expected
    assert all(score == values[IDS.index(each)] for each, score in ranked)


def test_bm25_prefers_the_document_with_the_rare_words(corpus: RetrievalCorpus) -> None:
    retriever = Bm25(corpus.documents)
    for document in corpus.documents:
        assert retriever.rank(f"Give me {document.id.upper()}!", 1)[0][0] == document.id
    assert [identity for identity, _ in retriever.rank("chess music", 5, only=["music"])] == ["music"]


def test_bm25_answers_without_any_word() -> None:
    documents = [Document("a", "..."), Document("b", "")]
    assert Bm25(documents).rank("rain", 5) == [("a", 0.0), ("b", 0.0)]
    assert Bm25([]).rank("rain", 5) == []


def test_words_are_without_case_and_chinese_characters_are_words() -> None:
    assert words_of("Top_songs, ＡＢＣ 天气!") == ["top", "songs", "abc", "天", "气"]


class Fixed:
    def __init__(self, order: str) -> None:
        self._order = order

    def rank(self, query: str, k: int, only: object = None) -> list[tuple[str, float]]:
        return [(each, -float(place)) for place, each in enumerate(self._order)][:k]


def test_fusion_adds_the_reciprocals_of_ranks() -> None:
    ranked = Fused([Fixed("abc"), Fixed("bcd")]).rank("query", 3)
    assert ranked == [("b", 1 / 62 + 1 / 61), ("c", 1 / 63 + 1 / 62), ("a", 1 / 61)]

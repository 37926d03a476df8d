import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.retrieve.corpus import (
    CorpusBuilder,
    Document,
    RetrievalCorpus,
    document_text,
    normalised,
    words_of_name,
)
from octupus.errors import CorpusError

Rows = list[tuple[str, list[str]]]
texts = st.one_of(
    st.sampled_from(["find a song", "Find a  song!", "find 3 songs", "find 17 songs", "ＦＩＮＤ a song", "", "?"]),
    st.text(max_size=12),
)
rows = st.lists(st.tuples(texts, st.lists(st.sampled_from(["a", "b", "c", "gone"]), max_size=3)), max_size=40)


def built(queries: Rows, seed: int = 0) -> RetrievalCorpus | None:
    builder = CorpusBuilder()
    for name in "abc":
        builder.document(Document(name, f"tool {name}"))
    for number, (text, relevant) in enumerate(queries):
        builder.query(str(number), text, relevant)
    try:
        return builder.finish(seed, 0.5)
    except CorpusError:
        return None  # a side without queries


@given(rows)
def test_every_query_that_was_read_is_kept_merged_or_counted_as_left_out(queries: Rows) -> None:
    corpus = built(queries)
    if corpus is not None:
        counts = corpus.counts
        left_out = sum(counts.get(f"queries_{why}", 0) for why in ("merged", "empty", "without_relevant"))
        assert len(queries) == len(corpus.queries) + left_out
        named = sum(len(set(relevant)) for _, relevant in queries)
        gone = sum("gone" in relevant for _, relevant in queries)
        assert counts.get("relevant_without_document", 0) == gone
        assert named >= gone


@given(rows)
def test_near_equal_queries_never_stand_on_both_sides(queries: Rows) -> None:
    corpus = built(queries)
    if corpus is not None:
        sides = [{normalised(query.text) for query in corpus.of(split)} for split in ("train", "test")]
        assert not sides[0] & sides[1]
        assert not {words.replace("17", "3") for words in sides[0]} & {words.replace("17", "3") for words in sides[1]}


@given(rows, st.randoms(use_true_random=False))
def test_the_side_of_a_query_depends_on_its_words_alone(queries: Rows, generator: random.Random) -> None:
    shuffled = queries.copy()
    generator.shuffle(shuffled)
    first, second = built(queries), built(shuffled)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        sides = [{(normalised(query.text), query.split) for query in corpus.queries} for corpus in (first, second)]
        assert sides[0] == sides[1]


@given(rows)
def test_a_query_keeps_the_relevant_documents_of_all_that_were_merged_into_it(queries: Rows) -> None:
    corpus = built(queries)
    if corpus is not None:
        for query in corpus.queries:
            wanted = {
                name
                for text, relevant in queries
                if normalised(text) == normalised(query.text)
                for name in relevant
                if name != "gone"
            }
            assert set(query.relevant) == wanted
            assert len(query.relevant) == len(wanted) > 0


def test_about_the_share_that_is_asked_for_is_kept_for_measuring() -> None:
    builder = CorpusBuilder()
    builder.document(Document("a", "tool"))
    for number in range(2000):
        builder.query(str(number), f"query {'x' * (number % 50)} {'y' * (number // 50)}", ["a"])
    corpus = builder.finish(seed=3, test_share=0.2)
    assert 330 < len(corpus.of("test")) < 470


def test_a_given_side_is_kept_and_texts_on_both_are_counted() -> None:
    builder = CorpusBuilder()
    builder.document(Document("a", "tool"))
    builder.query("1", "same words", ["a"], "train")
    builder.query("2", "Same words.", ["a"], "test")
    corpus = builder.finish(seed=0, test_share=0.5)
    assert [query.split for query in corpus.queries] == ["train", "test"]
    assert corpus.counts["queries_on_both_sides"] == 1


def test_another_text_under_the_same_id_is_counted() -> None:
    builder = CorpusBuilder()
    builder.document(Document("a", "one"))
    builder.document(Document("a", "one"))
    builder.document(Document("a", "two"))
    assert builder.counts["documents_differing"] == 1


def test_a_corpus_without_a_side_is_refused() -> None:
    builder = CorpusBuilder()
    builder.document(Document("a", "tool"))
    builder.query("1", "words", ["a"], "train")
    with pytest.raises(CorpusError, match=r"test side .* has no query"):
        builder.finish(seed=0, test_share=0.5)


def test_the_text_of_a_document_has_toolbenchs_order_and_leaves_out_what_is_empty() -> None:
    text = document_text("Finance", "", "rates", "Latest\n rates.", {"base": "currency code"}, {})
    assert text == 'Finance, rates, Latest rates., required_params: ["base: currency code"], optional_params: []'


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("FinanceTool", "Finance Tool"),
        ("PDF&URLTool", "PDF URL Tool"),
        ("web_requests", "web requests"),
        ("AI2sql", "AI 2 sql"),
        ("查询天气", "查询天气"),
        ("&", "&"),
    ],
)
def test_names_are_split_into_words(name: str, words: str) -> None:
    assert words_of_name(name) == words

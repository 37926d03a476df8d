"""Tokens, sketches and bands: against sets of shingles, datasketch, and real conversations."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from random import Random

import datasketch
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.data.minhash import (
    EMPTY_BAND,
    MinHasher,
    conversation_text,
    estimated_similarity,
    jaccard,
    shingle_hashes,
    text_similarity,
    tokens,
)
from tests.chat_strategies import conversations, plain_text

HASHER = MinHasher()
words = st.lists(st.sampled_from(["the", "a", "cat", "sat", "on", "mat", "今", "天", "ran"]), max_size=40)
any_text = st.text(st.characters(), max_size=60)  # with lone surrogates


def ngrams(text: str, size: int = 5) -> set[tuple[str, ...]]:
    found = tokens(text)
    return {tuple(found[start : start + size]) for start in range(len(found) - size + 1)}


def similarity_of_sets(left: str, right: str) -> float:
    together = ngrams(left) | ngrams(right)
    return len(ngrams(left) & ngrams(right)) / len(together) if together else 0.0


# Tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ?! ", []),
        ("What's the WEATHER in New-York?", ["what", "s", "the", "weather", "in", "new", "york"]),
        ('get_weather {"city": "Paris", "days": 3.5}', ["get", "weather", "city", "paris", "days", "3", "5"]),
        ("今天天气", ["今", "天", "天", "气"]),
        ("用Python3写“函数”。", ["用", "python3", "写", "函", "数"]),
        ("東京タワーへ・行く", ["東", "京", "タ", "ワ", "ー", "へ", "行", "く"]),
        ("서울 날씨", ["서울", "날씨"]),
        ("Ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"]),
        ("Cafe\u0301 CAFÉ", ["café", "café"]),
        ("don’t", ["don", "t"]),
        ("half \ud83d character", ["half", "character"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text(st.characters(max_codepoint=127)))
def test_the_ascii_path_says_the_same(text: str) -> None:
    assert tokens(text) == re.findall(r"[^\W_]+", text.lower())
    assert [*tokens(text), "京"] == tokens(text + " 京")


@given(any_text)
def test_tokens_can_be_written_and_ignore_case_and_composition(text: str) -> None:
    found = tokens(text)
    assert all(token and not token.isspace() and token.encode("utf-8") for token in found)
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(unicodedata.normalize("NFC", text))
    assert tokens(" ".join(found)) == [again for token in found for again in tokens(token)]


# Shingles


@given(words, st.integers(1, 7))
def test_shingle_hashes_are_equal_where_shingles_are(found: list[str], size: int) -> None:
    shingles = [tuple(found[start : start + size]) for start in range(len(found) - size + 1)]
    hashes = shingle_hashes(found, size).tolist()
    assert len(hashes) == len(shingles)
    assert len(set(zip(shingles, hashes, strict=True))) == len(set(shingles)) == len(set(hashes))


def test_hashes_are_the_same_in_every_process() -> None:
    program = (
        "from octupus.data.minhash import MinHasher; h = MinHasher();"
        "print(h.bands(h.signature('one two three four five six 今天')).tolist())"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert shown == {f"{HASHER.bands(HASHER.signature('one two three four five six 今天')).tolist()}\n"}
    assert shingle_hashes(["a", "b"], 2).tolist() == [
        8064652577661087557
    ]  # a change here changes what every preparation drops


# Signatures


@given(st.lists(words.map(" ".join), max_size=5))
@settings(deadline=None)
def test_signatures_depend_on_the_set_of_shingles_alone(texts: list[str]) -> None:
    signatures = HASHER.signatures(texts)
    assert signatures.shape == (len(texts), HASHER.permutations)
    assert signatures.dtype == np.uint32
    for text, signature in zip(texts, signatures, strict=True):
        np.testing.assert_array_equal(signature, HASHER.signature(text))
        np.testing.assert_array_equal(signature, HASHER.signature(text.upper().replace(" ", ",\n")))
        if ngrams(f"{text} {text}") == ngrams(text):
            np.testing.assert_array_equal(signature, HASHER.signature(f"{text} {text}"))
    bands = HASHER.bands(signatures)
    assert bands.shape == (len(texts), HASHER.band_count)
    assert [each.tolist() for each in bands] == [HASHER.bands(each).tolist() for each in signatures]


def test_long_texts_are_read_in_parts() -> None:
    parts = [" ".join(f"{part}w{number}" for number in range(6000)) for part in "abc"]
    each = HASHER.signatures(parts)
    whole = HASHER.signature("\n".join(parts))
    assert (whole <= each.min(axis=0)).all()
    assert (whole == each.min(axis=0)).mean() > 0.9  # all but what crosses the joints


def test_texts_without_shingles_match_nothing() -> None:
    signatures = HASHER.signatures(["", "one two three four", "one two three four five"])
    bands = HASHER.bands(signatures)
    assert (bands[:2] == EMPTY_BAND).all()
    assert (bands[2] != EMPTY_BAND).all()
    pairs = np.array([[0, 0], [0, 1], [1, 2], [2, 2]])
    for estimate in (estimated_similarity(signatures), estimated_similarity(signatures.astype(np.uint8))):
        np.testing.assert_array_equal(estimate(pairs), [0, 0, 0, 1])
    np.testing.assert_array_equal(text_similarity(["", "a b", "a b c d e"].__getitem__)(pairs), [0, 0, 0, 1])


@given(words.map(" ".join), words.map(" ".join))
def test_text_similarity_is_the_jaccard_index(left: str, right: str) -> None:
    found = text_similarity([left, right].__getitem__)(np.array([[0, 1], [1, 0]]))
    assert found.tolist() == pytest.approx([similarity_of_sets(left, right)] * 2)


def test_jaccard() -> None:
    one, two = np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64)
    assert jaccard(one, two) == 0.5
    assert jaccard(one, one) == 1
    assert jaccard(one[:0], one) == jaccard(one[:0], one[:0]) == 0


def text_pairs(count: int, random: Random) -> list[tuple[str, str]]:
    """Pairs of texts from equal to unrelated, most of them somewhere between."""
    pairs = []
    for number in range(count):
        left = [f"w{random.randrange(5000)}" for _ in range(150)]
        right = [f"w{random.randrange(5000)}" if random.random() < number / count / 6 else word for word in left]
        pairs.append((" ".join(left), " ".join(right)))
    return pairs


def test_estimates_are_unbiased_and_as_exact_as_datasketch() -> None:
    pairs = text_pairs(400, Random(1))
    exact = np.array([similarity_of_sets(*pair) for pair in pairs])
    signatures = HASHER.signatures([text for pair in pairs for text in pair])
    places = np.arange(len(signatures)).reshape(-1, 2)
    deviation = np.sqrt(exact * (1 - exact) / HASHER.permutations)
    for kind in (np.uint32, np.uint8):
        errors = estimated_similarity(signatures.astype(kind))(places) - exact
        assert abs(errors.mean()) < 4 * deviation.mean() / np.sqrt(len(pairs))
        assert 0.85 < np.sqrt((errors**2).mean()) / np.sqrt((deviation**2).mean()) < 1.15
    theirs = []
    for pair in pairs:
        sketches = []
        for text in pair:
            sketch = datasketch.MinHash(num_perm=HASHER.permutations)
            sketch.update_batch([" ".join(each).encode() for each in ngrams(text)])
            sketches.append(sketch)
        theirs.append(sketches[0].jaccard(sketches[1]))
    ratio = np.sqrt(((np.array(theirs) - exact) ** 2).mean()) / np.sqrt((errors**2).mean())
    assert 0.8 < ratio < 1.25


def test_candidates_follow_the_s_curve() -> None:
    pairs = text_pairs(600, Random(2))
    exact = np.array([similarity_of_sets(*pair) for pair in pairs])
    bands = HASHER.bands(HASHER.signatures([text for pair in pairs for text in pair])).reshape(len(pairs), 2, -1)
    candidates = (bands[:, 0] == bands[:, 1]).any(axis=1)
    expected = 1 - (1 - exact**HASHER.rows) ** HASHER.band_count
    for low, high in ((0, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        inside = (exact >= low) & (exact < high)
        deviation = np.sqrt((expected * (1 - expected))[inside].sum()) / inside.sum()
        assert abs(candidates[inside].mean() - expected[inside].mean()) < 4 * deviation + 1e-9


def test_other_parameters() -> None:
    hasher = MinHasher(bands=4, rows=2, shingle=2, seed=3)
    assert hasher.permutations == 8
    assert hasher.bands(hasher.signature("one two")).shape == (4,)
    assert not np.array_equal(hasher.signature("one two"), MinHasher(4, 2, 2, seed=4).signature("one two"))
    with pytest.raises(ValueError, match="at least 1"):
        MinHasher(bands=0)


# Conversations


def test_conversation_text_leaves_out_what_many_share() -> None:
    call = ToolCall(id="c", function=FunctionCall(name="f", arguments='{"a": 1}'))
    conversation = Conversation(
        messages=(
            Message(role="system", content="system"),
            Message(role="user", content="question"),
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content="result", tool_call_id="c"),
            Message(role="assistant", content="answer"),
        ),
        tools=(Tool(function=FunctionDefinition(name="f", description="tool")),),
    )
    assert conversation_text(conversation).split() == ["question", "f", '{"a":', "1}", "answer"]


@given(conversations(plain_text))
def test_any_conversation_has_a_signature(conversation: Conversation) -> None:
    assert HASHER.signature(conversation_text(conversation)).shape == (HASHER.permutations,)


def glaive(path: Path) -> list[Conversation]:
    roles = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}
    return [
        Conversation(
            messages=tuple(
                Message(role=roles[each["from"]], content=each["value"])  # type: ignore[arg-type]
                for each in row["conversations"]
            )
        )
        for row in json.loads(path.read_text("utf-8"))
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_near_duplicates_of_a_real_corpus_are_candidates(shared: Callable[[str], Path], language: str) -> None:
    texts = [
        conversation_text(each) for each in glaive(shared(f"corpora/llamafactory/glaive_toolcall_{language}_demo.json"))
    ]
    sets = [np.unique(shingle_hashes(tokens(text), 5)) for text in texts]
    bands = HASHER.bands(HASHER.signatures(texts))
    found = missed = false = 0
    for right in range(len(texts)):
        for left in range(right):
            candidate = bool((bands[left] == bands[right]).any())
            similarity = jaccard(sets[left], sets[right])
            found += similarity >= 0.8 and candidate
            missed += similarity >= 0.8 and not candidate
            false += similarity < 0.4 and candidate
    assert found >= 30
    assert missed == 0
    assert false <= 5

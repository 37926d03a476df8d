"""What of an evaluation is found in a conversation, and what is not."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation, FunctionDefinition, Message, Tool
from octupus.data.contamination import EvaluationIndex
from octupus.data.minhash import tokens
from octupus.data.reasons import Reason
from tests.chat_strategies import conversations, hostile_text

QUESTION = "Which flights leave from Reykjavik for Ulaanbaatar next Tuesday before noon, and what is the cheapest seat?"


def conversation(*questions: str, tools: tuple[tuple[str, str], ...] = (), answer: str = "ok") -> Conversation:
    messages: list[Message] = []
    for question in questions:
        messages += [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Conversation(
        messages=tuple(messages),
        tools=tuple(
            Tool(function=FunctionDefinition(name=name, description=description)) for name, description in tools
        ),
    )


INDEX = EvaluationIndex.build(
    [
        conversation(QUESTION, "hi there", "Sum 3, 4, 5 and 6 for me.", "北京明天的天气怎么样，我应该带雨伞吗？"),
        conversation(
            tools=(("math.factorial", "Calculates the factorial of a number."), ("noop", ""), ("dots", "..."))
        ),
    ],
    "BFCL",
)


@pytest.mark.parametrize(
    ("found_in", "detail"),
    [
        (
            conversation(QUESTION.upper().replace(",", " -")),
            "a user turn is one of BFCL: 'which flights leave from reykjavik for ulaanbaatar next tuesday before noon "
            "and what is the cheapest seat'",
        ),
        (
            conversation("hello", "sum 3 4 5 and 6 for me"),
            "a user turn is one of BFCL: 'sum 3 4 5 and 6 for me'",
        ),
        (
            conversation("Hey! " + QUESTION),
            "a user turn shares 13 successive words with BFCL: "
            "'which flights leave from reykjavik for ulaanbaatar next tuesday before noon and what'",
        ),
        (
            conversation("请问，北京明天的天气怎么样？我应该带雨伞"),
            "a user turn shares 13 successive words with BFCL: '北 京 明 天 的 天 气 怎 么 样 我 应 该'",
        ),
        (
            conversation("?", tools=(("f", "g"), ("math_factorial", "calculates the factorial of a number"))),
            "the tool 'math_factorial' has name and description of one of BFCL: 'calculates the factorial of a number'",
        ),
    ],
)
def test_found(found_in: Conversation, detail: str) -> None:
    assert INDEX.find(found_in) == (Reason.CONTAMINATED, detail)


@pytest.mark.parametrize(
    "clean",
    [
        conversation("hi there"),  # too short to be anyone's own
        conversation("Which flights leave from Reykjavik for Ulaanbaatar next Tuesday before noon?"),
        conversation("?", answer=QUESTION),  # only what users say is asked in an evaluation
        conversation("?", tools=(("noop", ""), ("dots", "..."), ("noop2", "...!"))),
        conversation(
            "?", tools=(("math_factorial", "Something else."), ("other", "Calculates the factorial of a number."))
        ),
        conversation("?", tools=(("math", "factorial Calculates the factorial of a number."),)),
        conversation(),
    ],
)
def test_not_found(clean: Conversation) -> None:
    assert INDEX.find(clean) is None


def test_runs_do_not_cross_turns() -> None:
    spoken = tokens(QUESTION)
    assert INDEX.find(conversation(" ".join(spoken[:10]), " ".join(spoken[10:]))) is None


def test_an_empty_index_finds_nothing() -> None:
    assert EvaluationIndex.build([], "none").find(conversation(QUESTION, tools=(("a", "b"),))) is None


def test_lengths_are_parameters() -> None:
    index = EvaluationIndex.build([conversation("one two three four five")], "e", ngram=3, shortest_turn=2)
    assert index.find(conversation("zero two three four")) == (
        Reason.CONTAMINATED,
        "a user turn shares 3 successive words with e: 'two three four'",
    )
    assert index.find(conversation("two three")) is None
    with pytest.raises(ValueError, match="at least 1"):
        EvaluationIndex.build([], "e", ngram=0)


def test_long_excerpts_are_cut() -> None:
    long = "word " * 1000
    problem = EvaluationIndex.build([conversation(long)], "e").find(conversation(long))
    assert problem is not None
    assert len(problem[1]) < 200


def test_merged_indexes_name_the_origin() -> None:
    other = EvaluationIndex.build([conversation("What does the fox say to the hen at night?", QUESTION)], "Animals")
    merged = EvaluationIndex.merged([INDEX, other])
    assert merged.origins == ("Animals", "BFCL")
    for asked, origin in (
        ("Sum 3, 4, 5 and 6 for me", "BFCL"),
        ("what does the fox say to the hen at night", "Animals"),
    ):
        problem = merged.find(conversation(asked))
        assert problem is not None
        assert origin in problem[1]
    problem = merged.find(conversation(QUESTION))
    assert problem is not None
    assert "Animals" in problem[1]
    assert merged.fingerprint == EvaluationIndex.merged([other, INDEX, other]).fingerprint
    assert len({merged.fingerprint, INDEX.fingerprint, other.fingerprint}) == 3
    with pytest.raises(ValueError, match="only indexes of the same"):
        EvaluationIndex.merged([INDEX, EvaluationIndex.build([], "x", ngram=8)])
    with pytest.raises(ValueError, match="only indexes of the same"):
        EvaluationIndex.merged([])


def test_the_fingerprint_tells_parameters_and_contents() -> None:
    built = [
        EvaluationIndex.build([conversation(QUESTION)], "e"),
        EvaluationIndex.build([conversation(QUESTION)], "f"),
        EvaluationIndex.build([conversation(QUESTION)], "e", ngram=12),
        EvaluationIndex.build([conversation(QUESTION)], "e", shortest_turn=9),
        EvaluationIndex.build([conversation(QUESTION, tools=(("a", "b"),))], "e"),
        EvaluationIndex.build([conversation("x " + QUESTION)], "e"),
    ]
    assert len({index.fingerprint for index in built}) == len(built)


@given(st.lists(conversations(hostile_text), max_size=5), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_whatever_an_evaluation_holds_is_found_in_it(evaluation: list[Conversation], random: object) -> None:
    index = EvaluationIndex.build(evaluation, "e", ngram=2, shortest_turn=1)
    for each in evaluation:
        asked = [message for message in each.messages if message.role == "user"]
        known = any(tokens(message.content or "") for message in asked) or any(
            tokens(tool.function.description) for tool in each.tools
        )
        assert (index.find(each) is not None) == known
    random.shuffle(evaluation)  # type: ignore[attr-defined]
    again = EvaluationIndex.build(iter(evaluation + evaluation), "e", ngram=2, shortest_turn=1)
    assert again.fingerprint == index.fingerprint
    sent = pickle.loads(pickle.dumps(index))
    assert sent.fingerprint == index.fingerprint
    assert [sent.find(each) for each in evaluation] == [index.find(each) for each in evaluation]


def sealtools(path: Path) -> list[Conversation]:
    return [conversation(json.loads(line)["query"]) for line in path.read_text("utf-8").splitlines()]


def test_real_evaluations(shared: Callable[[str], Path]) -> None:
    """An evaluation is found whole in a copy of its questions, and hardly anywhere in unrelated corpora."""
    path = shared("corpora/sealtools/test_in_domain.jsonl")
    seal = EvaluationIndex.build(sealtools(path), "Seal-Tools")
    asked = {row["query"] for row in json.loads(shared("corpora/hammer_eval/sealtool.json").read_text("utf-8"))}
    original = {json.loads(line)["query"] for line in path.read_text("utf-8").splitlines()}
    long = [query for query in asked & original if len(tokens(query)) >= seal.shortest_turn]
    assert len(long) > 100
    assert all(seal.find(conversation(query)) for query in long)
    for name in ("alpaca_en_demo", "alpaca_zh_demo"):
        rows = json.loads(shared(f"corpora/llamafactory/{name}.json").read_text("utf-8"))
        assert not any(seal.find(conversation(row["instruction"] + "\n" + row["input"])) for row in rows)


def test_an_index_is_compact() -> None:
    random = np.random.default_rng(0)
    evaluation = [
        conversation(" ".join(f"w{number}" for number in random.integers(0, 10_000, 30))) for _ in range(1000)
    ]
    assert len(pickle.dumps(EvaluationIndex.build(evaluation, "e"))) < 1000 * 20 * 10 + 2000

"""Answers as they grow: stop texts, scores and counts, however the tokens are cut into items."""

from hypothesis import given
from hypothesis import strategies as st

from octupus.chat.dialect import ContentDelta
from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.serve.answers.answer import Answer, usage_of
from octupus.serve.answers.text import TextParser
from octupus.serve.engine.sampling import Generated


def in_items(ids: list[int], data: st.DataObject, scored: bool) -> list[Generated]:
    """The ids as a replica might send them, the reason with the last ones."""
    items: list[Generated] = []
    rest = list(ids)
    while rest:
        size = data.draw(st.integers(1, 4))
        part, rest = rest[:size], rest[size:]
        items.append(Generated(part, None, [[(token, -1.0)] for token in part] if scored else None))
    return [*items, Generated([], "stop", [] if scored else None, None)]


@given(data=st.data())
def test_content_ends_before_the_first_stop_text(tokenizer: ChatTokenizer, data: st.DataObject) -> None:
    text = data.draw(st.text("abc ", max_size=30))
    stops = data.draw(st.lists(st.text("abc ", min_size=1, max_size=3), min_size=1, max_size=3))
    ids = tokenizer.encode(text)
    answer = Answer(TextParser(tokenizer), 3, stops)
    pieces = [delta.text for item in in_items(ids, data, scored=False) for delta in answer.push(item)
              if isinstance(delta, ContentDelta)]  # fmt: skip
    written = tokenizer.decode(ids)
    # Whatever the items, the first character that completes a stop text ends the answer, before the longest such text.
    until = next((end for end in range(len(written) + 1) if written[:end].endswith(tuple(stops))), None)
    begins = [until - len(stop) for stop in stops if until is not None and written[:until].endswith(stop)]
    assert "".join(pieces) == written[: min(begins, default=len(written))]
    assert answer.stopped == bool(begins)
    assert answer.finish_reason == "stop"
    assert answer.malformed is None
    # Counted is what it took to write the stop text, and nothing that came behind it.
    assert answer.ids == ids[: len(answer.ids)]
    assert not any(stop in tokenizer.decode(answer.ids[:-1]) for stop in stops)


@given(data=st.data())
def test_scores_are_those_of_content(tokenizer: ChatTokenizer, data: st.DataObject) -> None:
    content, call = tokenizer.control_id("<|CONTENT|>"), tokenizer.control_id("<|FUNCTION_CALL|>")
    parameters = tokenizer.control_id("<|PARAMETERS|>")
    text = tokenizer.encode(data.draw(st.text(max_size=12)))
    calls = [call, *tokenizer.encode("get"), parameters, *tokenizer.encode("{}")] * data.draw(st.integers(0, 2))
    ids = [content, *text, *calls, tokenizer.end_id]
    answer = Answer(OCTUPUS.parser(tokenizer), 3, control=tokenizer.control_tokens.values())
    for item in in_items(ids, data, scored=True):
        answer.push(item)
    assert [token for token, _ in answer.content_scores] == text
    assert answer.ids == ids


def test_counts_of_several_answers(tokenizer: ChatTokenizer) -> None:
    answers = [Answer(TextParser(tokenizer), 3 + index // 2, index=index) for index in range(4)]
    for answer in answers:
        answer.push(Generated([5] * (answer.index + 1), "length", None, 2))
    usage = usage_of(answers, 2)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (3 + 4, 1 + 2 + 3 + 4, 4)
    assert usage.reasoning_tokens is None


def test_thinking_is_counted(tokenizer: ChatTokenizer) -> None:
    answer = Answer(TextParser(tokenizer), 1, thinking=(7, 8))
    answer.push(Generated([7, 9, 9], None))
    assert answer.reasoning_tokens == 3
    answer.push(Generated([8, 9, 9], "stop"))
    assert answer.reasoning_tokens == 4

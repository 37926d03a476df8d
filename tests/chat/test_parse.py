"""The parser takes any ids: an unconstrained model may write anything, and a stream may be cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.chat.dialect import CallDelta, ContentDelta
from octupus.chat.octupus import OCTUPUS
from octupus.chat.parse import fold
from octupus.chat.registry import ModelChat
from octupus.chat.tokenizer import ChatTokenizer
from tests.chat_strategies import ids_of


@given(data=st.data())
def test_deltas_fold_to_the_same_message_however_the_stream_is_cut(chat: ModelChat, data: st.DataObject) -> None:
    control = st.sampled_from(sorted(chat.tokenizer.control_tokens.values()))
    words = st.sampled_from(['{"name": "f", ', '"arguments": {}', "}", "\n", '"']).map(chat.tokenizer.encode)
    anything = (control | st.integers(0, len(chat.tokenizer) - 1)).map(lambda token: [token]) | words
    ids = [token for piece in data.draw(st.lists(anything, max_size=40)) for token in piece]
    whole = chat.dialect.parser(chat.tokenizer)
    expected = fold(whole.push(ids) + whole.finish())
    cut = chat.dialect.parser(chat.tokenizer)
    deltas = []
    position = 0
    while position < len(ids):
        size = data.draw(st.integers(1, 5))
        deltas += cut.push(ids[position : position + size])
        position += size
    assert fold(deltas + cut.finish()) == expected
    assert cut.malformed == whole.malformed
    assert [delta.index for delta in deltas if isinstance(delta, CallDelta)] == sorted(
        delta.index for delta in deltas if isinstance(delta, CallDelta)
    )


def test_a_character_split_over_tokens_comes_out_whole(tokenizer: ChatTokenizer) -> None:
    parser = OCTUPUS.parser(tokenizer)
    ids = ids_of(tokenizer, "<|CONTENT|>", "🌧 ok", "<|im_end|>")
    pieces = [delta.text for token in ids for delta in parser.push([token]) if isinstance(delta, ContentDelta)]
    assert "".join(pieces) == "🌧 ok"
    assert not any("�" in piece for piece in pieces)


@pytest.mark.parametrize(
    ("pieces", "explanation"),
    [
        (["hello"], "before the first control token"),
        (["<|CONTENT|>", "a", "<|CONTENT|>", "b", "<|im_end|>"], "content after content"),
        (["<|PARAMETERS|>", "{}", "<|im_end|>"], "arguments after start"),
        (["<|FUNCTION_CALL|>", "get", "<|FUNCTION_CALL|>", "get"], "a call without arguments"),
        (["<|FUNCTION_CALL|>", "get"], "stopped inside the name"),
        (["<|FUNCTION_CALL|>", "get", "<|im_end|>"], "a call without arguments"),
        (["<|CONTENT|>", "a", "<|USER|>", "b", "<|im_end|>"], "inside content"),
        (["<|CONTENT|>", "a", "<|im_end|>", "b"], "after the end"),
        ([], "empty"),
    ],
)
def test_what_breaks_the_dialect_is_named(tokenizer: ChatTokenizer, pieces: list[str], explanation: str) -> None:
    parser = OCTUPUS.parser(tokenizer)
    parser.push(ids_of(tokenizer, *pieces))
    parser.finish()
    assert parser.malformed is not None
    assert explanation in parser.malformed

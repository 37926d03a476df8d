"""A call's JSON object comes out whole in whatever way it is written, and wherever the stream is cut."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from octupus.chat.call_body import CallBody

space = st.text(" \t\r\n", max_size=2)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def read(body: CallBody, text: str, cuts: list[int]) -> tuple[list[str], str]:
    """The names given out and the pieces of arguments joined."""
    borders = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    added = [body.push(text[start:end]) for start, end in itertools.pairwise(borders)]
    body.finish()
    pieces = [piece for piece in added if piece is not None]
    return [name for name, _ in pieces if name is not None], "".join(arguments for _, arguments in pieces)


@given(
    name=st.text(max_size=8),
    arguments=json_values.map(json.dumps),
    turned=st.booleans(),
    spaces=st.lists(space, min_size=9, max_size=9),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_any_spelling_of_a_call_gives_its_name_and_raw_arguments(
    name: str, arguments: str, turned: bool, spaces: list[str], cuts: list[int]
) -> None:
    members = [['"name"', ":", json.dumps(name)], ['"arguments"', ":", arguments]]
    first, second = members[::-1] if turned else members
    tokens = ["{", *first, ",", *second, "}"]
    text = "".join(before + token for before, token in zip(spaces, tokens, strict=True))
    body = CallBody()
    assert read(body, text, cuts) == ([name], arguments)
    assert body.problem is None


@given(text=st.text('{}[]":,\\ \nnameargumts1', max_size=40), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_what_is_no_call_is_named_and_kept(text: str, cuts: list[int]) -> None:
    body = CallBody()
    names, _ = read(body, text, cuts)
    assert names or (body.unread == text and body.problem is not None)

"""The strict reader accepts what RFC 8259 accepts, character by character, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.decoding.strict_json import JsonReader

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def accepts(text: str) -> bool:
    reader: JsonReader | None = JsonReader()
    for character in text:
        assert reader is not None
        reader = reader.after(character)
        if reader is None:
            return False
    return reader is not None and reader.can_end()


def is_json(text: str) -> bool:
    try:
        value = json.loads(text, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    return not _has_lone_surrogate(value)


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


@given(value=values, escaped=st.booleans(), indent=st.sampled_from([None, 1]))
def test_every_json_text_is_accepted(value: Any, escaped: bool, indent: int | None) -> None:
    assert accepts(json.dumps(value, ensure_ascii=escaped, indent=indent))


@given(value=values, data=st.data())
def test_a_changed_text_is_accepted_only_if_it_is_still_json(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    position = data.draw(st.integers(0, len(text)))
    character = data.draw(st.sampled_from('{}[],:"\\0123456789.eE+-tfn u\n\t'))
    length = data.draw(st.integers(0, 1))
    changed = text[:position] + character + text[position + length :]
    assert accepts(changed) == is_json(changed)


@pytest.mark.parametrize(
    "text", ['{"a":1,}', "[1,]", "1.e5", "01", "-", "+1", "1e", '"\t"', '"\\x"', '"\\ud800"', '"\\ud800\\u0041"', "tru"]
)
def test_what_loose_parsers_let_through_is_refused(text: str) -> None:
    assert not accepts(text)


def test_surrogate_pairs_are_one_character() -> None:
    assert accepts('"\\ud83c\\udf27"')

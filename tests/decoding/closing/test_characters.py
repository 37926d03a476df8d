import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.decoding.closing.characters import UnreadableError, ending, endings, read_characters

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(TEXTS, st.booleans(), st.integers(0, 100))
def test_a_string_is_read_as_json_reads_it_wherever_it_is_cut(text: str, escaped: bool, cut: int) -> None:
    data = json.dumps(text, ensure_ascii=escaped).encode()[1:]
    cut = min(cut, len(data) - 1)
    first, pending, stopped, ended = read_characters(b"", data[:cut], 0)
    assert (stopped, ended) == (cut, False)
    second, left, stopped, ended = read_characters(pending, data[cut:] + b"behind", 0)
    assert first + second == text
    assert (left, stopped, ended) == (b"", len(data) - cut, True)


@given(st.characters(exclude_categories=["Cs"]), st.booleans(), st.integers(1, 11))
def test_a_begun_character_can_be_ended(character: str, escaped: bool, cut: int) -> None:
    pending = json.dumps(character, ensure_ascii=escaped).encode()[1:-1][:cut]
    text, pending, _, _ = read_characters(b"", pending, 0)
    if text:
        return
    found = [chr(limit[0][0]) for limit in endings(pending)] if pending else []
    assert found or not pending
    for other in found:
        rest = ending(pending, other)
        assert rest is not None
        assert len(rest) <= 11
        assert read_characters(pending, rest, 0)[:2] == (other, b"")


@pytest.mark.parametrize("data", [b"\\x", b"\\ud800x", b"\\udc00", b"\\u00g0", b"\xff", b"\xc3(", b"\n"])
def test_bytes_that_no_string_holds_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_characters(b"", data, 0)

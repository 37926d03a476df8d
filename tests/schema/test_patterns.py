import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.schema.patterns import Pattern, PatternError, State, character_size, parse_pattern

ATOMS = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", r"\d", r"\w", r"\n", "^", "$", "é", r"\u0062", r"\/"])
QUANTIFIERS = st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}", "{0,1}?", "{1,}"])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, QUANTIFIERS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


PATTERNS = st.recursive(ATOMS, grown, max_leaves=8)
ALPHABET = 'abc1é\n"'
TEXTS = st.text(ALPHABET, max_size=6)


def read(pattern: Pattern, text: str) -> State:
    return pattern.after(pattern.start(), text)


def matches(pattern: str, text: str, whole: bool = False) -> bool:
    # `$` of Python also stands before a last line break.
    python = pattern.replace("$", r"\Z").replace(r"\/", "/")
    find = re.fullmatch if whole else re.search
    return find(python, text, re.ASCII) is not None


@settings(max_examples=150, deadline=None)
@given(PATTERNS, TEXTS, st.booleans())
def test_a_pattern_accepts_what_python_matches(pattern: str, text: str, whole: bool) -> None:
    automaton = parse_pattern(pattern, whole=whole)
    assert automaton.accepts(read(automaton, text)) == matches(pattern, text, whole)


@settings(max_examples=150, deadline=None)
@given(PATTERNS, st.text(ALPHABET, max_size=3), st.integers(0, 4), st.none() | st.integers(0, 5))
def test_the_shortest_end_is_accepted_and_no_other_is_shorter(
    pattern: str, prefix: str, least: int, most: int | None
) -> None:
    automaton = parse_pattern(pattern, shortest_length=least, longest_length=most)
    state = read(automaton, prefix)
    end = automaton.shortest(state)
    assert (end is not None) == bool(state)

    def allowed(text: str) -> bool:
        return least <= len(text) and (most is None or len(text) <= most) and matches(pattern, text)

    ends = ("".join(letters) for size in range(4) for letters in product("abc1é\n", repeat=size))
    sizes = [sum(map(character_size, other)) for other in ends if allowed(prefix + other)]
    if end is None:
        assert not sizes
        return
    size = sum(map(character_size, end))
    assert allowed(prefix + end)
    assert automaton.accepts(automaton.after(state, end))
    assert all(size <= other for other in sizes)
    assert automaton.distance is not None
    assert size <= automaton.distance


@settings(max_examples=100, deadline=None)
@given(PATTERNS, st.lists(st.sampled_from(ALPHABET), max_size=8))
def test_a_live_text_stays_completable(pattern: str, letters: list[str]) -> None:
    automaton = parse_pattern(pattern, longest_length=6)
    state = automaton.start()
    for letter in letters:
        state = automaton.after(state, letter)
        end = automaton.shortest(state)
        assert (end is None) == (not state)
        assert end is None or automaton.accepts(automaton.after(state, end))


@pytest.mark.parametrize(
    ("pattern", "shortest", "distance"),
    [
        ("(a+)+b", "ab", 2),
        ("(a|b)*a(a|b){20}", "a" * 21, 21),
        (r"^\d{4}-\d{2}-\d{2}$", "0000-00-00", 10),
        ('^"\n$', '"\n', 4),
        ("^[\u4e00-\u9fff]{2}$", "\u4e00\u4e00", 6),
        (r"^\ud83d\ude00\u{1F600}$", "\U0001f600\U0001f600", 8),
        (r"^[\x00-\x1f]$", "\n", 2),
        (r"^\x7f$", "\x7f", 6),
        (r"(?<year>\d)\-\_", "0-_", 3),
    ],
)
def test_the_distance_bounds_every_prefix(pattern: str, shortest: str, distance: int) -> None:
    automaton = parse_pattern(pattern)
    assert automaton.shortest(automaton.start()) == shortest
    assert automaton.distance == distance


@pytest.mark.parametrize("pattern", ["a$b", "b^", "^$a", r"[^\d\D]", r"^\ud83d$"])
def test_a_pattern_that_nothing_matches_is_dead_at_once(pattern: str) -> None:
    automaton = parse_pattern(pattern, whole=True)
    assert not automaton.start()
    assert automaton.distance is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("((a{0,100}){0,100}){0,100}", "longer than"),
        ("((((){1000}){1000}){1000}){1000}", "too large"),
        ("(a?){5000}", "too large"),
        ("(" * 100_000, "longer than"),
        ("(" * 5_000, "nests"),
        ("(", "no regular expression"),
        ("(?=a)", "lookaround"),
        ("(?<!a)", "lookaround"),
        ("(?i)a", "flags"),
        ("(?>a)", "atomic"),
        ("a*+", "possessive"),
        ("a{2}+", "possessive"),
        (r"(a)\1", r"escape \\1"),
        (r"\p{L}", r"escape \\p"),
        (r"\bword", r"escape \\b"),
        (r"\Aword\Z", r"escape \\A"),
        ("a{,3}", "brace"),
        ("[]a]", "empty class"),
        ("[a[b]]", "inside a class"),
        ("[a&&b]", "inside a class"),
        ("[a", "does not end"),
        ("b{9999999999}", "brace"),
    ],
)
def test_what_engines_read_differently_or_cannot_hold_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(PatternError, match=message):
        parse_pattern(pattern)


def test_a_product_with_lengths_is_refused_when_it_is_too_large() -> None:
    parse_pattern("^[a-z]+$", longest_length=10_000)
    with pytest.raises(PatternError, match="states"):
        parse_pattern("^[a-z]+$", longest_length=10_000_000)

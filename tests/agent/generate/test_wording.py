"""Templates: what they say, and what is left of them when a value is left out."""

from random import Random

import pytest

from octupus.agent.generate.wording import FRAMES, NEXT_FRAMES, Language, each, filled, framed, listed, names, wording

TWO = wording(
    ("send[ {amount}] to {name}", "pay {amount} to {name}", "give {name} money[, {amount} of it]"),
    "给{name}转[{amount}]",
)


def test_a_value_is_left_out_with_the_words_around_it() -> None:
    assert TWO.templates("en", without="amount") == ["send to {name}", "give {name} money"]
    assert TWO.templates("zh", without="amount") == ["给{name}转"]
    assert TWO.templates("en", without="name") == []


def test_values_are_not_read_as_templates() -> None:
    assert filled("say {text}[ to {name}]", {"text": "[{name}]", "name": "{text}"}, "en") == "say [{name}] to {text}"


def test_lists_are_told_as_people_tell_them() -> None:
    assert listed(["a", "b", "c"], "en") == "a, b and c"
    assert listed(["a", "b", "c"], "zh") == "a、b、c"
    assert filled("{x}", {"x": [1.5, True, "y"]}, "en") == "1.5, true and y"
    assert each([], "{a}").form([], "en") == "none"
    assert each([], "{a}", "{a}号").form([{"a": 1}, {"a": [2, 3]}], "zh") == "1号；2、3号"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_frame_holds_what_is_wanted(language: Language) -> None:
    for frame in (*FRAMES[language], *NEXT_FRAMES[language]):
        assert ("{wish}" in frame) != ("{Wish}" in frame), frame
    texts = {framed("do it", Random(seed), language, later) for seed in range(60) for later in (False, True)}
    assert len(texts) == len({*FRAMES[language], *NEXT_FRAMES[language]})
    assert all("do it" in text.lower() and text[-1] in ".?。？，谢" for text in texts)
    assert framed("Is it so?", Random(0), language, False) == "Is it so?"


def test_names_of_values_are_those_in_braces() -> None:
    assert names("a {b}[ c {d}] {b}") == {"b", "d"}

"""What is remembered of replicas, against a model that remembers every prompt."""

from hypothesis import given
from hypothesis import strategies as st

from octupus.serve.routing.prefix_table import PrefixTable
from octupus.serve.routing.prompt_blocks import prompt_blocks

REPLICAS = "abc"
prompts = st.lists(st.integers(0, 1), max_size=8)
given_prompts = st.lists(st.tuples(prompts, st.sampled_from(REPLICAS)), max_size=30)


def blocks(prompt: list[int]) -> list[int]:
    return prompt_blocks([prompt], {}, 1)


def filled(history: list[tuple[list[int], str]], capacity: int) -> PrefixTable[str]:
    table: PrefixTable[str] = PrefixTable(capacity)
    table.keep_only(REPLICAS)
    for prompt, replica in history:
        table.remember(blocks(prompt), replica)
        assert table.matched_blocks(blocks(prompt), replica) == min(len(prompt), capacity)
    return table


def common(one: list[int], other: list[int]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@given(given_prompts, prompts)
def test_the_longest_beginning_is_found(history: list[tuple[list[int], str]], asked: list[int]) -> None:
    table = filled(history, capacity=1000)
    for replica in REPLICAS:
        longest = max((common(asked, prompt) for prompt, given_to in history if given_to == replica), default=0)
        assert table.matched_blocks(blocks(asked), replica) == longest


@given(given_prompts, prompts, st.integers(1, 6))
def test_memory_is_bounded_and_what_remains_are_beginnings(
    history: list[tuple[list[int], str]], asked: list[int], capacity: int
) -> None:
    table = filled(history, capacity)
    assert len(table) <= capacity * len(REPLICAS)
    unbounded = filled(history, capacity=1000)
    for replica in REPLICAS:
        given_to = PrefixTable[str](capacity)
        given_to.keep_only(replica)
        for prompt, other in history:
            given_to.remember(blocks(prompt), other)
        # A replica's memory does not depend on what others were given.
        matched = table.matched_blocks(blocks(asked), replica)
        assert matched == given_to.matched_blocks(blocks(asked), replica)
        assert matched <= unbounded.matched_blocks(blocks(asked), replica)
        # Searching by halves finds what looking at one block after the other finds.
        singles = [table.matched_blocks(blocks(asked)[n : n + 1], replica) for n in range(len(asked))]
        assert matched == common(singles, [1] * len(asked))


@given(given_prompts, given_prompts, st.sampled_from(REPLICAS), st.booleans())
def test_a_forgotten_replica_never_comes_back(
    before: list[tuple[list[int], str]], after: list[tuple[list[int], str]], gone: str, listed_anew: bool
) -> None:
    table = filled(before, capacity=1000)
    if listed_anew:
        table.keep_only([replica for replica in REPLICAS if replica != gone])
    else:
        table.forget(gone)
    for prompt, replica in after:
        table.remember(blocks(prompt), replica)
    for prompt, _ in before + after:
        assert table.matched_blocks(blocks(prompt), gone) == 0
        kept = {replica for given_prompt, replica in before + after if given_prompt == prompt} - {gone}
        assert all(table.matched_blocks(blocks(prompt), replica) == len(prompt) for replica in kept)

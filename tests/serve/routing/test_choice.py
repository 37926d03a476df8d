"""When a cached prefix decides where a request goes."""

from hypothesis import given
from hypothesis import strategies as st

from octupus.serve.routing.choice import Candidate, preferred_replica

TOKENS_PER_REQUEST = 100
amounts = st.tuples(st.integers(0, 20).map(lambda blocks: 64 * blocks), st.integers(0, 40))


@given(st.lists(amounts, max_size=6))
def test_the_choice_is_the_cheapest_and_holds_something(replicas: list[tuple[int, int]]) -> None:
    candidates = [Candidate(number, *values) for number, values in enumerate(replicas)]
    chosen = preferred_replica(candidates, TOKENS_PER_REQUEST)
    saved = [matched - TOKENS_PER_REQUEST * ongoing for matched, ongoing in replicas]
    if chosen is None:
        # Nothing is held anywhere, or a replica that holds nothing is cheaper than all that hold something.
        assert all(matched == 0 or value < max(saved) for (matched, _), value in zip(replicas, saved, strict=True))
    else:
        assert replicas[chosen][0] > 0
        assert saved[chosen] == max(saved)


def test_a_holder_may_be_busier_by_what_it_saves() -> None:
    def chosen(ongoing: int) -> str | None:
        return preferred_replica([Candidate("holder", 400, 5 + ongoing), Candidate("other", 0, 5)], TOKENS_PER_REQUEST)

    assert [chosen(more) for more in (-5, 0, 4, 5)] == ["holder", "holder", "holder", None]


def test_equal_holders_take_turns() -> None:
    candidates = [Candidate(replica, 640, 3) for replica in "ab"]
    assert {preferred_replica(candidates, TOKENS_PER_REQUEST) for _ in range(100)} == {"a", "b"}

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from octupus.conversation import json_text
from octupus.evaluate.calls.question import Question
from octupus.evaluate.calls.request_score import score_request
from octupus.evaluate.calls.totals import grouped, totals
from octupus.evaluate.held_out import HeldOutRequest
from octupus.evaluate.scoring import Reply

from .conversations import WEATHER

CALLS = st.lists(
    st.tuples(
        st.sampled_from(("weather", "unknown")),
        st.fixed_dictionaries(
            {"city": st.sampled_from(("Rome", "rome", "Oslo"))}, optional={"days": st.integers(1, 2)}
        ),
    ),
    max_size=3,
).map(tuple)
EXPECTED = CALLS.map(lambda calls: tuple(call for call in calls if call[0] == "weather"))
REQUESTS = st.builds(
    HeldOutRequest,
    messages=st.just([]),
    tools=st.just([WEATHER.model_dump()]),
    expected_calls=EXPECTED,
    kind=st.sampled_from(("single", "parallel")),
    language=st.sampled_from(("en", "zh", "")),
)


def reply(calls: Any, error: str | None = None) -> Reply:
    return Reply(calls=tuple((name, json_text(arguments)) for name, arguments in calls), error=error)


REPLIES = st.builds(reply, CALLS, st.none() | st.just("timeout: none"))
ANSWERS = st.lists(st.tuples(REQUESTS, REPLIES, st.sampled_from(("one", "two"))), max_size=12)


@given(ANSWERS)
def test_counts_add_up(answers: list[tuple[HeldOutRequest, Reply, str]]) -> None:
    questions = [Question((str(place), 0), source, request) for place, (request, _, source) in enumerate(answers)]
    scores = [score_request(request, reply) for request, reply, _ in answers]
    overall = totals(scores)
    shares = overall.shares
    # Every request expects calls or expects none; what expects calls and came is right or wrong for one reason.
    assert overall.requests == len(answers) == shares["ast"].n + shares["irrelevance"].n
    assert shares["right"].count == shares["ast"].count + shares["irrelevance"].count
    failed_expecting = sum(score.failed and score.expecting for score in scores)
    assert shares["ast"].n == shares["ast"].count + failed_expecting + sum(overall.mismatches.values())
    assert shares["argument_precision"].count == shares["argument_recall"].count
    # Groups of each kind share out the whole.
    for groups in grouped(questions, scores).values():
        assert sum(each.requests for each in groups.values()) == overall.requests
        assert sum(each.failed for each in groups.values()) == overall.failed
        for name, share in shares.items():
            assert sum(each.shares[name].count for each in groups.values()) == share.count
            assert sum(each.shares[name].n for each in groups.values()) == share.n


@given(REQUESTS, CALLS)
def test_a_failed_request_is_right_nowhere(request: HeldOutRequest, calls: Any) -> None:
    overall = totals([score_request(request, reply(calls, "status_500: broken"))])
    assert overall.failed == 1
    assert all(share.count == 0 for share in overall.shares.values())
    assert overall.argument_f1 in (None, 0)


@given(REQUESTS, CALLS)
def test_measures_imply_each_other(request: HeldOutRequest, calls: Any) -> None:
    score = score_request(request, reply(calls))
    assert score.exact <= score.right_tools <= score.right_count
    assert score.exact <= score.right
    assert score.right <= score.right_tools
    if score.exact:
        assert score.right_arguments == score.arguments == score.expected_arguments
    assert score.right_arguments <= min(score.arguments, score.expected_arguments)
    assert score.called == bool(calls)


def test_arguments_are_scored_one_by_one() -> None:
    request = HeldOutRequest([], [WEATHER.model_dump()], (("weather", {"city": "Rome", "days": 3}),), "single", "en")
    made = (("weather", {"city": "Rome", "days": 4}), ("weather", {"city": "Rome"}))
    overall = totals([score_request(request, reply(made))])
    assert (overall.shares["argument_precision"].count, overall.shares["argument_precision"].n) == (1, 3)
    assert (overall.shares["argument_recall"].count, overall.shares["argument_recall"].n) == (1, 2)
    assert overall.argument_f1 == 2 / 5


def test_broken_arguments_are_a_call_and_nothing_right() -> None:
    expecting = HeldOutRequest([], [WEATHER.model_dump()], (("weather", {"city": "Rome"}),), "single", "en")
    others = HeldOutRequest([], [WEATHER.model_dump()], (), "no_call", "en")
    broken = Reply(calls=(("weather", '{"city": "Rome"'),))
    assert not score_request(expecting, broken).right
    assert score_request(expecting, broken).called
    assert not score_request(others, broken).right
    assert score_request(expecting, broken).valid_calls == 0

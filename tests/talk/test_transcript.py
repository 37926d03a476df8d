"""Rounds of calls and results, and what is left of a conversation whose answer broke off."""

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from octupus.errors import EngineError
from octupus.talk.python_tools import Result
from octupus.talk.rendering import Span
from octupus.talk.streamed_answer import Call
from octupus.talk.transcript import Transcript

from .chunks import call_chunk, calling_answer, chunk, text_answer

OK = Result("ok")
WEATHER = ("weather", '{"city": "Paris"}')


class Endpoint:
    """Gives prepared answers; an exception among the chunks is raised."""

    def __init__(self, *answers: Sequence[Any]) -> None:
        self.answers = list(answers)
        self.asked: list[list[dict[str, Any]]] = []
        self.closed = 0

    def __call__(self, messages: Sequence[dict[str, Any]], /) -> Generator[Any, None, None]:
        self.asked.append(list(messages))
        try:
            for each in self.answers.pop(0):
                if isinstance(each, BaseException):
                    raise each
                yield each
        finally:
            self.closed += 1


def talk(transcript: Transcript, endpoint: Endpoint, max_rounds: int = 8, result: Result | None = OK) -> str:
    shown: list[Span] = []
    try:
        transcript.exchange("hello", endpoint, lambda call: result, shown.append, max_rounds)
    finally:
        text = "".join(span.text for span in shown)
    return text


def test_calls_and_results_go_back_until_the_model_answers() -> None:
    endpoint = Endpoint(calling_answer(WEATHER, ("get", "{}")), calling_answer(WEATHER), text_answer("Clear."))
    transcript = Transcript(system="Be brief.")
    shown = talk(transcript, endpoint)
    assert shown == (
        'weather({"city": "Paris"})\nget({})\n  -> ok\n  -> ok\nweather({"city": "Paris"})\n  -> ok\nClear.\n'
    )
    assert [message["role"] for message in transcript.messages] == [
        *("user", "assistant", "tool", "tool", "assistant", "tool", "assistant"),
    ]
    first, *_, last = endpoint.asked
    assert first == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert last == transcript.to_send()[:-1]
    assert [call["id"] for call in last[2]["tool_calls"]] == [last[3]["tool_call_id"], last[4]["tool_call_id"]]
    assert last[2]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Paris"}'}


def test_a_model_that_only_calls_is_stopped() -> None:
    endpoint = Endpoint(*[calling_answer(WEATHER)] * 5)
    transcript = Transcript()
    assert "stopped after 3 rounds" in talk(transcript, endpoint, max_rounds=3)
    assert len(endpoint.asked) == 3
    assert transcript.messages[-1]["role"] == "tool"


def test_calls_that_nobody_answers_end_the_exchange() -> None:
    transcript = Transcript()
    talk(transcript, Endpoint(calling_answer(WEATHER)), result=None)
    assert transcript.messages[-1]["tool_calls"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), EngineError("gone"), None])
@pytest.mark.parametrize("rounds_before", [0, 2])
def test_an_answer_that_breaks_off_leaves_no_trace(failure: BaseException | None, rounds_before: int) -> None:
    """None stands for a stream that simply ends, without a finish reason."""
    broken = [chunk(content="Cle"), *([] if failure is None else [failure])]
    endpoint = Endpoint(text_answer("Hi."), *[calling_answer(WEATHER)] * rounds_before, broken)
    transcript = Transcript()
    talk(transcript, endpoint)
    before = list(transcript.messages)
    with pytest.raises(EngineError if failure is None else type(failure)):
        talk(transcript, endpoint)
    assert transcript.messages == before
    assert endpoint.closed == len(endpoint.asked)


def test_each_part_of_an_answer_looks_different_and_controls_are_shown() -> None:
    endpoint = Endpoint(
        [
            chunk(reasoning_content="hm"),
            chunk(reasoning_content="m"),
            chunk(content="a\x1b[2J"),
            call_chunk(0, '{"x": ', "f"),
            call_chunk(0, "1}"),
            chunk("length"),
        ]
    )
    shown: list[Span] = []

    def failed(call: Call) -> Result:
        return Result("\x07" + "x" * 5000, failed=True)

    Transcript().exchange("hello", endpoint, failed, shown.append, 1)
    assert "".join(span.text for span in shown).startswith('hmm\na\\x1b[2J\nf({"x": 1})\n')
    styles = {span.text.strip(): span.style for span in shown}
    assert styles["hm"] == "dim italic"
    assert styles["a\\x1b[2J"] == ""
    assert styles["f"] == "bold cyan"
    result = next(span for span in shown if "->" in span.text)
    assert result.style == "red"
    assert "\\x07" in result.text
    assert "5,001 characters" in result.text
    assert any("--max-tokens" in span.text for span in shown)

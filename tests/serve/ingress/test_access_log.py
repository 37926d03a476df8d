"""The access log: one JSON line, whatever clients sent, and no text unless asked."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.serve.config import ObservabilityConfig
from octupus.serve.ingress.access_log import LOGGER_NAME, AccessLog, access_line
from octupus.serve.ingress.record import Outcome, RequestRecord

ODD = st.text(st.characters())
VALUES = st.recursive(
    st.none() | st.floats() | ODD | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(ODD, inner)
)


@settings(deadline=None)
@given(ODD, ODD, VALUES, st.booleans())
def test_it_is_always_one_line_of_json(model: str, reason: str, texts: Any, asked: bool) -> None:
    record = RequestRecord("id", model=model, finish_reasons=[reason], texts={"prompt": texts, "secret": "SECRET"})
    line = access_line(record, asked)
    assert len(line.splitlines()) == 1
    line.encode("ascii")
    values = json.loads(line)
    assert values["request_id"] == "id"
    assert ("texts" in values) == ("SECRET" in line) == asked


def test_counts_ids_and_times_are_there() -> None:
    record = RequestRecord("id", route="/responses", prompt_tokens=7, completion_tokens=5, choices=2, status=200)
    record.outcome = Outcome.ABORTED
    record.received, record.admitted, record.first_token, record.last_token, record.ended = 10, 10.5, 11, 14, 15
    values = json.loads(access_line(record))
    assert values | {"time": ""} == {
        "time": "",
        "request_id": "id",
        "route": "/responses",
        "status": 499,
        "outcome": "aborted",
        "n": 2,
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "queue_s": 0.5,
        "ttft_s": 1.0,
        "tpot_s": 2.0,
        "total_s": 5.0,
    }


@pytest.mark.parametrize("on", [True, False])
def test_it_can_be_switched_off(on: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("octupus", LOGGER_NAME):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        AccessLog(ObservabilityConfig(access_log=on)).write(RequestRecord("id"))
    assert bool(caplog.records) == on

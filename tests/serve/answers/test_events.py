"""Errors as clients get them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.errors import RequestError
from octupus.serve.answers.events import error_envelope, error_json, request_error_envelope, sse_error


@settings(deadline=None)
@given(st.text(st.characters()), st.none() | st.text(st.characters()))
def test_an_error_event_is_one_event_whatever_its_message_holds(message: str, code: str | None) -> None:
    envelope = error_envelope(message, "server_error", code=code)
    wire = sse_error(envelope).encode("utf-8").decode("utf-8")
    assert wire.endswith("\n\n")
    assert len(wire[:-2].splitlines()) == 1
    assert json.loads(wire.removeprefix("data: ")) == json.loads(error_json(envelope)) == envelope


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "invalid_request_error"),
        (404, "invalid_request_error"),
        (408, "timeout_error"),
        (429, "rate_limit_error"),
        (503, "server_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    envelope = request_error_envelope(RequestError("no", "tools.0", "bad", status))
    assert envelope == {"error": {"message": "no", "type": kind, "param": "tools.0", "code": "bad"}}

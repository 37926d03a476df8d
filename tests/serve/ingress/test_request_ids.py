"""Request ids, together with the ones that Ray Serve's own HTTP server adds."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.middleware import Middleware
from starlette.responses import Response

from octupus.serve.ingress.request_ids import HEADER, RequestIds, request_id_of, serve_middlewares

SENT = st.lists(
    st.binary(max_size=200) | st.text(min_size=1, max_size=130).map(str.encode) | st.just(b"good-id"), max_size=3
)


def is_valid(value: bytes) -> bool:
    return 1 <= len(value) <= 128 and all(0x21 <= byte <= 0x7E for byte in value)


@settings(deadline=None)
@given(SENT)
def test_any_headers_give_one_valid_id_and_the_clients_own_where_it_is(sent: list[bytes]) -> None:
    value = request_id_of([(b"X-Request-Id", value) for value in sent])
    assert is_valid(value.encode())
    assert (value.encode() in sent) == (len(sent) == 1 and is_valid(sent[0]))


@settings(deadline=None)
@given(SENT)
def test_around_serves_server_the_answer_bears_exactly_one_valid_id(sent: list[bytes]) -> None:
    seen: list[bytes] = []
    answered: list[bytes] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(value for name, value in scope["headers"] if name == HEADER)
        await Response(b"")(scope, receive, send)

    async def send(message: Any) -> None:
        answered.extend(value for name, value in message.get("headers", ()) if name.lower() == HEADER)

    async def run() -> None:
        app: Any = RequestIdMiddleware(application)
        for middleware in serve_middlewares():
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        await app({"type": "http", "headers": [(HEADER, value) for value in sent]}, None, send)

    asyncio.run(run())
    assert seen == answered
    assert len(answered) == 1
    assert is_valid(answered[0])


def test_serve_is_given_what_it_takes() -> None:
    assert all(
        isinstance(middleware, Middleware) and middleware.cls is RequestIds for middleware in serve_middlewares()
    )

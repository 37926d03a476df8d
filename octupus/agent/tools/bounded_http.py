"""One HTTP exchange that stays on its host and within a size."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from octupus.agent.tools.authorization import Authorization, origin

MOST_REDIRECTS = 5


class LeftHostError(Exception):
    """The server redirects to somewhere that was not granted."""


class TooLongError(Exception):
    """The body is longer than may be read."""


@dataclass(frozen=True, slots=True)
class Received:
    """A response with its whole body."""

    status: int
    media_type: str
    """Lower case, without parameters; empty when the server names none."""
    charset: str
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, with replacement characters where it is none."""
        try:
            text = self.body.decode(self.charset, "replace")
        except LookupError:
            text = self.body.decode("utf-8", "replace")
        return text.removeprefix("\ufeff")


def open_client(authorization: Authorization) -> httpx.AsyncClient:
    """A client that keeps no cookies, so that no call tells another one anything, and waits as long as its caller."""
    refuse_all = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(
        headers=authorization.headers, cookies=refuse_all, timeout=None, follow_redirects=False, verify=_trusted()
    )


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes longer than a call."""
    return httpx.create_ssl_context()


async def exchange(client: httpx.AsyncClient, request: httpx.Request, most_bytes: int) -> Received:
    """Send a request, follow redirects on its own host, and read at most `most_bytes` of the body.

    What a server says beside an error is cut off there; a result that is longer is an error itself.

    Raises httpx.HTTPError, LeftHostError and TooLongError.
    """
    for _ in range(MOST_REDIRECTS + 1):
        response = await client.send(request, stream=True)
        try:
            if response.next_request is None:
                return await _read(response, most_bytes)
            request = _following(response)
        finally:
            await response.aclose()
    raise LeftHostError(f"it redirects more than {MOST_REDIRECTS} times")


def _following(response: httpx.Response) -> httpx.Request:
    sent, following = response.request, response.next_request
    assert following is not None
    before, after = origin(str(sent.url)), origin(str(following.url))
    upgraded = (before[0], before[2], after[0], after[2]) == ("http", 80, "https", 443)
    if before[1] != after[1] or (before != after and not upgraded):
        raise LeftHostError(f"it redirects to another place, {following.url.scheme}://{following.url.netloc.decode()}")
    # Clients turn a redirected POST into a GET, which would look like success with nothing done; 303 asks for that.
    if following.method != sent.method and response.status_code != 303:
        raise LeftHostError(f"it redirects a {sent.method}, which would be repeated as {following.method}")
    return following


async def _read(response: httpx.Response, most_bytes: int) -> Received:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > most_bytes:
            if not response.is_success:
                break  # the status is what matters
            raise TooLongError(f"its answer is longer than {most_bytes} bytes")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Received(response.status_code, media_type, response.charset_encoding or "utf-8", bytes(body))

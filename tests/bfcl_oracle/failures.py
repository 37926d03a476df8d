"""Failures the oracle can be told to show, and which requests get them."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.bfcl_oracle.wire import Body, error_body


class Kind(StrEnum):
    """What goes wrong. The values are the words of the command line."""

    SERVER_ERROR = "500"
    BAD_REQUEST = "400"
    TOO_MANY_REQUESTS = "429"
    UNAUTHORISED = "401"
    MISSING_USAGE = "missing-usage"
    BROKEN_ARGUMENTS = "broken-arguments"
    BROKEN_BODY = "broken-body"
    HTML = "html"
    SILENCE = "silence"
    RESET = "reset"


ERRORS: dict[Kind, tuple[int, dict[str, str], Body]] = {
    Kind.SERVER_ERROR: (500, {}, error_body("The oracle was told to fail.", "server_error")),
    Kind.BAD_REQUEST: (400, {}, error_body("The oracle was told to refuse this.", "invalid_request_error", "refused")),
    Kind.TOO_MANY_REQUESTS: (
        429,
        {"Retry-After": "0"},
        error_body("Rate limit reached.", "rate_limit_error", "rate_limit_exceeded"),
    ),
    Kind.UNAUTHORISED: (
        401,
        {"WWW-Authenticate": "Bearer"},
        error_body("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    ),
}
"""The kinds that are an answer in OpenAI's envelope: HTTP status, headers, body."""

HTML_PAGE = b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>\n"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which requests fail: all, the first N of items', a share of the items, or `ids` (a category names its items).

    A share is drawn by hashing the item's id, so that a retry meets the same fate and a second run the same failures.
    """

    first: int | None = None
    share: float | None = None
    ids: frozenset[str] = frozenset()
    _counter: Callable[[], int] = field(default_factory=lambda: itertools.count().__next__, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "Selection":
        """`all`, `first:20`, a share such as `0.1`, or ids and categories separated by commas. Raises ValueError."""
        if text == "all":
            return cls()
        if text.startswith("first:"):
            return cls(first=int(text.removeprefix("first:")))
        if text.replace(".", "", 1).isdecimal():
            share = float(text)
            if not 0 <= share <= 1:
                raise ValueError(f"a share lies between 0 and 1, not at {text}")
            return cls(share=share)
        return cls(ids=frozenset(text.split(",")))

    @property
    def everything(self) -> bool:
        """Whether nothing is left out: then what is no item's fails too, GET /v1/models and a caller's own probe."""
        return self.first is None and self.share is None and not self.ids

    def takes(self, item_id: str, category: str) -> bool:
        """Whether this request of an item fails. With `first`, asking counts the request."""
        if self.first is not None:
            return self._counter() < self.first
        if self.share is not None:
            return int.from_bytes(hashlib.sha256(item_id.encode()).digest()[:8]) < self.share * 2**64
        return not self.ids or item_id in self.ids or category in self.ids


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure and the requests that get it: all without a selection."""

    kind: Kind
    on: Selection = field(default_factory=Selection)

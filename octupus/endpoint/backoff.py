"""How long to wait before a request is sent again."""

from __future__ import annotations

import email.utils
import random
from collections.abc import Mapping
from datetime import UTC, datetime


def backoff_s(attempt: int, base_s: float, longest_s: float) -> float:
    """Seconds after the failed attempt `attempt`, counted from 0: doubling, with up to half taken off by chance.

    The chance keeps requests that failed together from coming back together.
    """
    return min(longest_s, base_s * 2.0 ** min(attempt, 60)) * random.uniform(0.5, 1.0)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """What the headers ask to wait, in seconds: a number, a date, or OpenAI's milliseconds; None without."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None

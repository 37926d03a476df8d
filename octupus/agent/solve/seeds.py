"""Seeds of requests: each follows from the run's seed, the query, and what is asked, and from nothing else."""

from __future__ import annotations

import hashlib

from octupus.conversation import json_text


def request_seed(seed: int, query_id: str, *what: str | int) -> int:
    """A number of 31 bits, as every endpoint takes it."""
    text = json_text([seed, query_id, *what])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4]) >> 1

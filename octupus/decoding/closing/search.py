"""The last resort where a backend refuses every path of the analysis: a search over single bytes on forks."""

from __future__ import annotations

import heapq
from itertools import count

import numpy as np

from octupus.decoding.arguments import ArgumentsMatcher, MatcherError
from octupus.decoding.vocabulary import TokenVocabulary, allows

MOST_STATES = 1500
_PREFERRED = '}],":0123456789a.ntfesulr-[{ '


def search_path(matcher: ArgumentsMatcher, vocabulary: TokenVocabulary) -> list[int]:
    """Tokens that complete the value: the fewest single bytes, states with the same mask taken for one at one depth.

    Bytes that close come first among paths of the same length. Raises MatcherError when none was found.
    """
    preferred = [ord(character) for character in _PREFERRED]
    order = [*preferred, *(byte for byte in vocabulary.byte_ids if byte not in set(preferred))]
    tokens = [vocabulary.byte_ids[byte] for byte in order]
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    ticket = count()
    waiting: list[tuple[int, int, ArgumentsMatcher, list[int]]] = [(0, next(ticket), matcher.fork(), [])]
    seen: set[tuple[int, bytes]] = set()
    for _ in range(MOST_STATES):
        if not waiting:
            break
        _, _, current, path = heapq.heappop(waiting)
        if current.can_end():
            return path
        current.fill(row)
        key = (len(path), row.tobytes())
        if key in seen:
            continue
        seen.add(key)
        forced = current.forced()
        if forced:
            # Where bytes have no choice, a backend may offer them as one token alone.
            following = current.fork()
            if all(map(following.accept, forced)):
                heapq.heappush(waiting, (len(path), next(ticket), following, [*path, *forced]))
            continue
        allowed = [(rank, token) for rank, token in enumerate(tokens) if allows(row, token)]
        for place, (rank, token) in enumerate(allowed[:12]):
            following = current.fork()
            if following.accept(token):
                # A step that closes, or that there is no choice about, brings the end nearer.
                closing = rank < 2 or len(allowed) == 1
                cost = (0 if closing else 4) + place
                heapq.heappush(waiting, (cost + len(path), next(ticket), following, [*path, token]))
    raise MatcherError("no way to end the value was found: the backend refuses what its schema admits")

"""Which beginnings of prompts each replica was given lately: a guess at what its prefix cache holds."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from typing import Generic, TypeVar

Replica = TypeVar("Replica", bound=Hashable)


class PrefixTable(Generic[Replica]):
    """For each replica, the chained hashes of the blocks that it was given, the least recently given ones dropped.

    One bounded memory a replica, because each replica's cache is its own and drops its own least recently used blocks.
    What a replica has of a prompt is always a beginning of it: of a prompt's blocks the first one is the last to go.
    """

    def __init__(self, blocks_per_replica: int) -> None:
        self._blocks_per_replica = blocks_per_replica
        self._given: dict[Replica, OrderedDict[int, None]] = {}

    def __len__(self) -> int:
        """Blocks remembered, over all replicas."""
        return sum(map(len, self._given.values()))

    def keep_only(self, replicas: Collection[Replica]) -> None:
        """Know these replicas from now on, and forget all others."""
        self._given = {replica: self._given.get(replica, OrderedDict()) for replica in replicas}

    def forget(self, replica: Replica) -> None:
        """Know this replica no more."""
        self._given.pop(replica, None)

    def remember(self, hashes: Sequence[int], replica: Replica) -> None:
        """Note that the replica was given the prompt of these `prompt_blocks`.

        Nothing is noted of a replica that is not known: a request may be on its way to one that has just gone.
        """
        given = self._given.get(replica)
        if given is None:
            return
        # Backwards, so that a block is always younger than those that follow it in the prompt.
        for block in reversed(hashes[: self._blocks_per_replica]):
            given[block] = None
            given.move_to_end(block)
        while len(given) > self._blocks_per_replica:
            given.popitem(last=False)

    def matched_blocks(self, hashes: Sequence[int], replica: Replica) -> int:
        """How many of the prompt's first blocks the replica was given."""
        given = self._given.get(replica)
        if not given:
            return 0
        return bisect_left(hashes, True, key=lambda block: block not in given)

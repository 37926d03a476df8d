"""Tokens by their bytes: a trie that unfolds where it is visited, and arrays that answer for whole subtrees at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from octupus.decoding.vocabulary import COMPLETE, advance_utf8

Ids = NDArray[np.int64]


class Node:
    """The texts that share their first `depth` bytes: numbers `low` up to `high` of the sorted texts."""

    __slots__ = ("children", "depth", "high", "low")

    def __init__(self, low: int, high: int, depth: int) -> None:
        self.low = low
        self.high = high
        self.depth = depth
        self.children: list[tuple[int, Node]] | None = None


class TokenTrie:
    """Texts, each with the tokens that stand for it."""

    def __init__(self, tokens: Iterable[tuple[bytes, int]]) -> None:
        by_text: dict[bytes, list[int]] = {}
        for text, token_id in tokens:
            by_text.setdefault(text, []).append(token_id)
        self.texts = sorted(by_text)
        sizes = [len(by_text[text]) for text in self.texts]
        self._ids: Ids = np.array([token_id for text in self.texts for token_id in by_text[text]], dtype=np.int64)
        self._starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self._sizes = np.array(sizes, dtype=np.int64)
        self.root = Node(0, len(self.texts), 0)

    def ids(self, number: int) -> Ids:
        """The tokens of one text."""
        found: Ids = self._ids[self._starts[number] : self._starts[number + 1]]
        return found

    def ending(self, node: Node) -> Ids | None:
        """The tokens whose text ends at the node."""
        if node.low < node.high and len(self.texts[node.low]) == node.depth:
            return self.ids(node.low)
        return None

    def below(self, node: Node) -> Ids:
        """All tokens whose text begins with the node's."""
        found: Ids = self._ids[self._starts[node.low] : self._starts[node.high]]
        return found

    def children(self, node: Node) -> list[tuple[int, Node]]:
        """The next bytes, each with its node."""
        if node.children is None:
            node.children = list(self._unfold(node))
        return node.children

    def plain(self, node: Node, start: int, most: int | None) -> tuple[Ids, list[int]]:
        """Of the texts below a node those that are plain from byte `start` on, which stands between two characters.

        Plain is text without quotes, backslashes and control characters; its last character may be incomplete. With
        `most`, only those of at most that many characters count. Also returns the numbers of the texts that are not
        plain.
        """
        low, high = node.low, node.high
        is_plain = self._last_breaks[low:high] < start
        broken: list[int] = (low + np.flatnonzero(~is_plain)).tolist()
        if most is not None and low < high:
            is_plain &= self._lengths[low:high] - characters(self.texts[low][:start]) <= most
        ids = self._ids[self._starts[low] : self._starts[high]]
        return ids[np.repeat(is_plain, self._sizes[low:high])], broken

    def characters_by_id(self) -> NDArray[np.int32]:
        """How many characters begin in each token, by id; 0 for ids without text."""
        found = np.zeros(int(self._ids.max(initial=-1)) + 1, dtype=np.int32)
        found[self._ids] = np.repeat(self._lengths, self._sizes)
        return found

    @cached_property
    def longest(self) -> int:
        """Characters of the longest text."""
        return int(self._lengths.max(initial=0))

    @cached_property
    def _last_breaks(self) -> NDArray[np.int32]:
        """For each text the position of the last byte that may not stand in plain text; -1 without one."""
        return np.array([_last_break(text) for text in self.texts], dtype=np.int32)

    @cached_property
    def _lengths(self) -> NDArray[np.int32]:
        return np.array([characters(text) for text in self.texts], dtype=np.int32)

    def _unfold(self, node: Node) -> Iterable[tuple[int, Node]]:
        texts, depth = self.texts, node.depth
        low = node.low + (self.ending(node) is not None)
        while low < node.high:
            byte = texts[low][depth]
            prefix = texts[low][:depth]
            bound = bisect_left(texts, prefix + bytes([byte + 1]), low, node.high) if byte < 255 else node.high
            yield byte, Node(low, bound, depth + 1)
            low = bound


def characters(text: bytes) -> int:
    """Characters that begin in `text`."""
    return sum(1 for byte in text if byte & 0xC0 != 0x80)


def _last_break(text: bytes) -> int:
    last, state = -1, COMPLETE
    for position, byte in enumerate(text):
        after = advance_utf8(state, bytes([byte]))
        if after is None or byte < 0x20 or byte in b'"\\':
            last = position
        # A byte that breaks a character may begin the next one.
        state = after if after is not None else advance_utf8(COMPLETE, bytes([byte])) or COMPLETE
    return last

"""Masks of states: the token trie walked over the automaton, with short cuts through strings that may hold anything."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from octupus.decoding.lm_format_enforcer.automaton import MaskCell, State
from octupus.decoding.lm_format_enforcer.characters import ANY, decode
from octupus.decoding.lm_format_enforcer.reader import Place
from octupus.decoding.lm_format_enforcer.strings import StringTokens, read_string
from octupus.decoding.lm_format_enforcer.structure import Room
from octupus.decoding.lm_format_enforcer.trie import Ids, Node, TokenTrie
from octupus.decoding.vocabulary import COMPLETE, Mask, TokenVocabulary, advance_utf8

REMEMBERED_BYTES = 256 << 20
"""Memory for the masks of all schemas; the oldest are computed again."""
Found = list[Ids]
_TWO_KEYS = re.compile(rb'" ?:.+, ?".*"', re.DOTALL)


class Masks:
    """The masks of one vocabulary."""

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self._vocabulary = vocabulary
        self._remembered: deque[MaskCell] = deque()
        self._most = max(64, REMEMBERED_BYTES // (4 * vocabulary.words))

    def prepare(self) -> None:
        """Make every table that does not depend on a schema: seconds for a large vocabulary, once a process."""
        _ = self._horizon, self._strings

    @cached_property
    def trie(self) -> TokenTrie:
        """All tokens."""
        return TokenTrie((data, token_id) for token_id, data in enumerate(self._vocabulary.token_bytes) if data)

    @cached_property
    def _strings(self) -> StringTokens:
        return StringTokens(self.trie)

    @cached_property
    def _two_keys(self) -> list[bytes]:
        """Texts that may hold the end of one key and another whole key, which depend on the first one."""
        return [text for text in self.trie.texts if _TWO_KEYS.search(text)]

    @cached_property
    def _horizon(self) -> int | None:
        """Characters of the longest token; None where states must be told apart by the whole key."""
        return None if self._two_keys else self.trie.longest

    def mask(self, state: State) -> Mask:
        """The tokens that may come next in a state; not to be written to."""
        cell = self._cell(state)
        mask = cell.mask
        if mask is None:
            mask = self._compute(state)
            self._settle_two_keys(state, mask)
            cell.forced = _only_token(mask)
            cell.mask = mask
            self._remembered.append(cell)
            if len(self._remembered) > self._most:
                self._remembered.popleft().mask = None
        return mask

    def forced(self, state: State) -> int | None:
        """The only token that may come next in a state, if there is one."""
        self.mask(state)
        return self._cell(state).forced

    def _cell(self, state: State) -> MaskCell:
        if state.cell is None:
            alone = len(state.threads) == 1
            state.cell = state.automaton.cell(state, self._horizon) if alone else MaskCell()
        return state.cell

    def _compute(self, state: State) -> Mask:
        if len(state.threads) > 1:
            parts = [self.mask(state.automaton.state([thread], state.pending)) for thread in state.threads]
            return np.asarray(np.bitwise_or.reduce(parts), dtype=np.uint32)
        found: Found = []
        if state.room is not None:
            self._string(state, state.room, found)
        elif _is_like_another_key(state):
            return self._key(state)
        else:
            self._walk(state, self.trie, self.trie.root, found)
        return self._pack(found)

    def _settle_two_keys(self, state: State, mask: Mask) -> None:
        """Decide the tokens that the short cuts may get wrong byte by byte."""
        for text in self._two_keys:
            ids = self.trie.ids(bisect_left(self.trie.texts, text))
            mask &= ~self._pack([ids])
            if state.after_text(text) is not None:
                mask |= self._pack([ids])

    def _string(self, state: State, room: Room, found: Found) -> None:
        """Find the tokens that may come next inside a string that may hold anything."""
        strings = self._strings
        found.append(strings.content(room.most))
        full = _filled(state, room, self.trie.longest)
        if full is not None:
            closing: Found = []
            self._walk(full, strings.closing, strings.closing.root, closing)
            ids = np.concatenate(closing) if closing else strings.content(-1)
            counts = strings.counts[ids]
            fits = counts >= room.due
            found.append(ids[fits if room.most is None else fits & (counts <= room.most)])

    def _key(self, state: State) -> Mask:
        """The mask inside a key that some other key begins with: only tokens that may go on to it differ."""
        mask = self.mask(_other_key(state)).copy()
        begun = {rest[:1] for rest in _rests(state)} | {b'"', b"\\"}
        found: Found = []
        for node in [child for byte, child in self.trie.children(self.trie.root) if bytes([byte]) in begun]:
            mask &= ~self._pack([self.trie.below(node)])
            for following, child in self._enter_key(state, self.trie, self.trie.root, [node], found):
                self._walk(following, self.trie, child, found)
        return mask | self._pack(found)

    def _walk(self, state: State, trie: TokenTrie, node: Node, found: Found) -> None:
        """Find the tokens below a node whose rest may come next."""
        waiting = [(state, node)]
        while waiting:
            state, node = waiting.pop()
            if node.depth and state.room is not None:
                self._pass_string(state, trie, node, node.depth, found)
                continue
            if node.depth and len(state.threads) > 1:
                automaton = state.automaton
                waiting += [(automaton.state([thread], state.pending), node) for thread in state.threads]
                continue
            ending = trie.ending(node)
            if ending is not None:
                found.append(ending)
            if node.depth and _is_like_another_key(state):
                waiting += self._enter_key(state, trie, node, [child for _, child in trie.children(node)], found)
                continue
            first_bytes = state.first_bytes()
            for byte, child in trie.children(node):
                following = state.after(byte) if byte in first_bytes else None
                if following is not None:
                    waiting.append((following, child))

    def _enter_key(
        self, state: State, trie: TokenTrie, node: Node, below: list[Node], found: Found
    ) -> Iterator[tuple[State, Node]]:
        """Where `node` stands in a key that others begin with: find what parts from them, yield what does not.

        `below` are nodes less than a character behind `node`.
        """
        rests, other = _rests(state), _other_key(state)
        while below:
            child = below.pop()
            begun = trie.texts[child.low][node.depth : child.depth]
            if begun not in (b'"', b"\\") and not any(rest.startswith(begun) for rest in rests):
                self._pass_string(other, trie, child, node.depth, found)
            elif advance_utf8(COMPLETE, begun) == COMPLETE:
                following = state.after_text(begun)
                if following is not None:
                    yield following, child
            else:
                ending = trie.ending(child)
                if ending is not None:
                    found.append(ending)
                below += [grandchild for _, grandchild in trie.children(child)]

    def _pass_string(self, state: State, trie: TokenTrie, node: Node, start: int, found: Found) -> None:
        """Find the tokens below a node that continue a string, which `state` stands in, from byte `start` on."""
        assert state.room is not None, "the string may hold anything"
        due, most = state.room.due, state.room.most
        plain, broken = trie.plain(node, start, most)
        found.append(plain)
        full = _filled(state, state.room, trie.longest) if broken else None
        for number in broken:
            text = trie.texts[number]
            reading = read_string(text, start)
            if reading is None or (most is not None and reading.count > most):
                continue
            if reading.end is None or (
                reading.count >= due and full is not None and full.after_text(text[reading.end :]) is not None
            ):
                found.append(trie.ids(number))

    def _pack(self, found: Found) -> Mask:
        flags = np.zeros(32 * self._vocabulary.words, dtype=np.uint8)
        for ids in found:
            flags[ids] = 1
        return np.packbits(flags, bitorder="little").view(np.uint32)


def _filled(state: State, room: Room, longest: int) -> State | None:
    """The state of a string behind the characters that it still needs; None when no token brings that many."""
    if room.due > longest:
        return None
    following: State | None = state
    for _ in range(room.due):
        following = following and following.after(ord("x"))
    return following


def _is_like_another_key(state: State) -> bool:
    """Whether the state stands between two characters of a key of a map that a key that matters begins with."""
    return not state.pending and state.threads[0].place is Place.STRING and bool(state.threads[0].rests)


def _other_key(state: State) -> State:
    """The state behind a character that no key that matters goes on with."""
    other = state.automaton.content(state, ANY)
    assert other is not None, "a key of a map may hold any character"
    return other


def _rests(state: State) -> list[bytes]:
    """What is missing to each key that matters."""
    return ["".join(map(decode, rest)).encode() for rest in state.threads[0].rests]


def _only_token(mask: Mask) -> int | None:
    words = np.flatnonzero(mask)
    if len(words) != 1:
        return None
    word = int(mask[words[0]])
    return 32 * int(words[0]) + word.bit_length() - 1 if word & (word - 1) == 0 else None

"""Masks of states: the token trie walked over the automaton, with short cuts through strings that may hold anything."""

from __future__ import annotations

import re
from collections import deque
from functools import cached_property

import numpy as np

from octupus.decoding.lm_format_enforcer.automaton import MaskCell, State
from octupus.decoding.lm_format_enforcer.characters import ANY, decode
from octupus.decoding.lm_format_enforcer.reader import Place
from octupus.decoding.lm_format_enforcer.structure import Room
from octupus.decoding.lm_format_enforcer.trie import Ids, Node, TokenTrie, characters, first_break
from octupus.decoding.vocabulary import Mask, TokenVocabulary

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
        self._suffixes: dict[int | None, TokenTrie] = {}

    @cached_property
    def trie(self) -> TokenTrie:
        """All tokens. Takes a second for a large vocabulary, once a process."""
        return TokenTrie((data, token_id) for token_id, data in enumerate(self._vocabulary.token_bytes) if data)

    @cached_property
    def _horizon(self) -> int | None:
        """Characters of the longest token; None when a token may hold the end of one key and another whole key."""
        return None if any(map(_TWO_KEYS.search, self.trie.texts)) else self.trie.longest

    def mask(self, state: State) -> Mask:
        """The tokens that may come next in a state; not to be written to."""
        cell = self._cell(state)
        mask = cell.mask
        if mask is None:
            mask = self._compute(state)
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
        thread = state.threads[0]
        if thread.place is Place.STRING and thread.rests and not state.pending and self._horizon is not None:
            return self._beside_other_keys(state)
        found: Found = []
        if state.room is None:
            self._walk(state, self.trie, self.trie.root, found)
            return self._pack(found)
        plain, _ = self.trie.plain(self.trie.root, state.room.most)
        found.append(plain)
        self._walk_suffixes(state, state.room, found)
        return self._pack(found)

    def _walk(self, state: State, trie: TokenTrie, node: Node, found: Found) -> None:
        """Find the tokens below a node whose rest may come next."""
        waiting = [(state, node)]
        while waiting:
            state, node = waiting.pop()
            if node.depth and state.room is not None:
                self._pass_string(state, state.room, trie, node, found)
                continue
            if node.depth and len(state.threads) > 1:
                automaton = state.automaton
                waiting += [(automaton.state([thread], state.pending), node) for thread in state.threads]
                continue
            ending = trie.ending(node)
            if ending is not None:
                found.append(ending)
            first_bytes = state.first_bytes()
            for byte, child in trie.children(node):
                following = state.after(byte) if byte in first_bytes else None
                if following is not None:
                    waiting.append((following, child))

    def _pass_string(self, state: State, room: Room, trie: TokenTrie, node: Node, found: Found) -> None:
        plain, broken = trie.plain(node, room.most)
        found.append(plain)
        for number in broken:
            if state.after_text(trie.texts[number][node.depth :]) is not None:
                found.append(trie.ids(number))

    def _walk_suffixes(self, state: State, room: Room, found: Found) -> None:
        """Find the tokens that leave plain text, or escape something, somewhere behind their start."""
        if room.due == 0 and room.most is None:
            everything = self._ending_plain_text(None)
            self._walk(state, everything, everything.root, found)
            return
        following: State | None = state
        for count in range(self.trie.longest + 1):
            if following is None:
                return
            suffixes = self._ending_plain_text(count)
            self._walk(following, suffixes, suffixes.root, found)
            following = following.after(ord("x"))

    def _beside_other_keys(self, state: State) -> Mask:
        """The mask inside a key of a map that some other key begins with: only tokens that may go on to it differ."""
        other = state.automaton.content(state, ANY)
        assert other is not None, "a key of a map may hold any character"
        mask = self.mask(other).copy()
        begun = {decode(rest[0]).encode()[0] for rest in state.threads[0].rests if rest}
        found: Found = []
        for byte, child in self.trie.children(self.trie.root):
            if byte in begun or byte in b'"\\':
                mask &= ~self._pack([self.trie.below(child)])
                following = state.after(byte)
                if following is not None:
                    self._walk(following, self.trie, child, found)
        return mask | self._pack(found)

    def _ending_plain_text(self, count: int | None) -> TokenTrie:
        """Tokens that are plain text up to a quote or backslash, by their text from there on.

        With `count`, those with that many characters of plain text.
        """
        if count not in self._suffixes:
            texts, trie = self.trie.texts, self.trie
            breaks = ((number, text, first_break(text)) for number, text in enumerate(texts))
            self._suffixes[count] = TokenTrie(
                (text[position:], int(token_id))
                for number, text, position in breaks
                if position is not None and count in (None, characters(text[:position]))
                for token_id in trie.ids(number)
            )
        return self._suffixes[count]

    def _pack(self, found: Found) -> Mask:
        flags = np.zeros(32 * self._vocabulary.words, dtype=np.uint8)
        for ids in found:
            flags[ids] = 1
        return np.packbits(flags, bitorder="little").view(np.uint32)


def _only_token(mask: Mask) -> int | None:
    words = np.flatnonzero(mask)
    if len(words) != 1:
        return None
    word = int(mask[words[0]])
    return 32 * int(words[0]) + word.bit_length() - 1 if word & (word - 1) == 0 else None

"""Tokens inside a JSON string that may hold anything, by how many characters they bring and what follows its end.

Of such a string a token needs to know only how many characters are still due and still possible. So each text is read
once, whatever the schema: `content` answers for all tokens that stay inside, `closing` holds what the others say from
the closing quote on, to be walked once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from octupus.decoding.lm_format_enforcer.trie import Ids, TokenTrie
from octupus.decoding.vocabulary import COMPLETE, advance_utf8

# Surrogates are never written: what they stand for can be written as itself.
_HEXADECIMAL = rb"(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})"
_CHARACTER = re.compile(
    rb"[\x20\x21\x23-\x5b\x5d-\x7f]|\\(?:[\"\\/bfnrt]|u" + _HEXADECIMAL + rb")"
    # Table 3-7 of the Unicode standard.
    rb"|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_BEGUN_ESCAPE = re.compile(rb"\\(?:u(?:[dD][0-7]?|[0-9a-cA-CefEF][0-9a-fA-F]{0,2}|[dD][0-7][0-9a-fA-F])?)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text read from inside a string on."""

    count: int
    """Characters that begin in the string, an escape being one."""
    end: int | None
    """The position of the closing quote; None when the text stays inside."""


def read_string(text: bytes, start: int) -> Reading | None:
    """Read from position `start`, between two characters of a string, to its end; None when it is no JSON string."""
    count, position = 0, start
    while found := _CHARACTER.match(text, position):
        count, position = count + 1, found.end()
    if text[position : position + 1] == b'"':
        return Reading(count, position)
    rest = text[position:]
    if not rest:
        return Reading(count, None)
    is_begun = rest[0] >= 0x80 and advance_utf8(COMPLETE, rest) is not None
    return Reading(count + 1, None) if is_begun or _BEGUN_ESCAPE.fullmatch(rest) else None


class StringTokens:
    """The tokens of a trie, each read from inside a string on."""

    def __init__(self, trie: TokenTrie) -> None:
        inside, broken = trie.plain(trie.root, 0, None)
        self.counts = trie.characters_by_id()
        """For each token the characters that it brings to the string, by id; int32."""
        escaping: list[Ids] = []
        closing: list[tuple[bytes, int]] = []
        for number in broken:
            text, ids = trie.texts[number], trie.ids(number)
            reading = read_string(text, 0)
            if reading is None:
                continue
            self.counts[ids] = reading.count
            if reading.end is None:
                escaping.append(ids)
            else:
                closing += [(text[reading.end :], int(token_id)) for token_id in ids]
        self.closing = TokenTrie(closing)
        """The tokens that close the string, by their text from the closing quote on."""
        content = np.concatenate([inside, *escaping])
        self._content: Ids = content[np.argsort(self.counts[content], kind="stable")]
        self._sorted_counts = self.counts[self._content]

    def content(self, most: int | None) -> Ids:
        """The tokens that stay inside a string and bring at most that many characters."""
        if most is None:
            return self._content
        return self._content[: np.searchsorted(self._sorted_counts, most, side="right")]

"""Tool names as a trie over their canonical token ids.

The leaf of every name is the control token that opens its arguments, so a name that begins another one needs no
special case: after `get` the trie offers both that token and the rest of `get_weather`.
"""

from __future__ import annotations

from collections.abc import Iterable

from octupus.decoding.vocabulary import TokenVocabulary


class NameNode:
    """A position inside names. `children` leads on; `tool` is set behind the token that opens the arguments."""

    __slots__ = ("children", "tool")

    def __init__(self, tool: str | None = None) -> None:
        self.children: dict[int, NameNode] = {}
        self.tool = tool


def name_trie(names: Iterable[str], vocabulary: TokenVocabulary) -> NameNode:
    """The root of the trie of `names`."""
    root = NameNode()
    for name in names:
        node = root
        for token_id in vocabulary.tokenizer.encode(name):
            node = node.children.setdefault(token_id, NameNode())
        node.children[vocabulary.parameters] = NameNode(tool=name)
    return root

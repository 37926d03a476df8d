"""Tool names as a trie over their canonical token ids.

The leaf of every name is what opens its arguments, so a name that begins another one needs no special case: after
`get` the trie offers both that and the rest of `get_weather`.
"""

from __future__ import annotations

from collections.abc import Mapping

from octupus.chat.layout import TurnLayout
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import json_text


class NameNode:
    """A position inside names. `children` leads on; `tool` is set behind the token that opens the arguments."""

    __slots__ = ("children", "tool")

    def __init__(self, tool: str | None = None) -> None:
        self.children: dict[int, NameNode] = {}
        self.tool = tool


def name_ids(name: str, layout: TurnLayout, tokenizer: ChatTokenizer) -> list[int]:
    """Ids from behind the token that opens a call to the first one of the arguments."""
    written = json_text(name)[1:-1] if layout.call_prefix else name
    ids = tokenizer.encode(layout.call_prefix + written + layout.call_middle)
    return ids if layout.arguments is None else [*ids, layout.arguments]


def name_trie(names: Mapping[str, list[int]]) -> NameNode:
    """The root of the trie of `names`, given with their `name_ids`."""
    root = NameNode()
    for name, ids in names.items():
        node = root
        for token_id in ids[:-1]:
            node = node.children.setdefault(token_id, NameNode())
        node.children[ids[-1]] = NameNode(tool=name)
    return root

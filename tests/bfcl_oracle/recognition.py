"""Finds the item and the turn that a conversation belongs to, from what is on the wire and nothing else.

The server keeps no state: the messages so far and the tools offered are all that is looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bfcl_oracle.answers import Call, Function, wire_name
from tests.bfcl_oracle.items import Item, Prompt


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request of either API: its prompt, the tools' function objects, and how many of this turn's calls are done.

    Done are those with a result after the last user message.
    """

    prompt: Prompt
    functions: tuple[Function, ...]
    done: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands: the item and its turn.

    `twins` counts the items that look the same on the wire and are answered otherwise.
    """

    item: Item
    turn: int
    twins: int

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.item.turns[self.turn].calls


class Recogniser:
    """An index of items by everything said to the model up to each turn."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._turns: defaultdict[Prompt, list[tuple[Item, int]]] = defaultdict(list)
        for item in items:
            said: Prompt = ()
            for turn, asked in enumerate(item.turns):
                said += asked.prompt
                self._turns[said].append((item, turn))

    def find(self, conversation: Conversation) -> Place | None:
        """The place of this conversation, or None where no item says this with these tools.

        Some items are asked in the same words with the same tools and answered otherwise: a live question asked again
        as an irrelevant one, a long context and its base. Nothing on the wire tells them apart, and the first loaded
        stands for all. Load fewer categories to have no such twins.
        """
        fitting = [
            place for place in self._turns.get(conversation.prompt, ()) if _offers(conversation.functions, *place)
        ]
        if not fitting:
            return None
        answers = [item.turns[turn].calls for item, turn in fitting]
        return Place(*fitting[0], twins=sum(calls != answers[0] for calls in answers))


def _offers(functions: Sequence[Function], item: Item, turn: int) -> bool:
    if item.functions is not None:
        return len(functions) == len(item.functions) and all(map(_same_function, functions, item.functions))
    offered = {function["name"] for function in functions}
    withheld = {name for name, added in item.held_out.items() if added > turn}
    needed = {call.name for each in item.turns for call in each.calls}
    return not offered & withheld and needed - withheld <= offered


def _same_function(offered: Function, own: Function) -> bool:
    # The harness appends a hint about the language to the description, and rewrites types: what is left must be equal.
    described: str = offered["description"]
    return (
        offered["name"] == wire_name(own["name"])
        and described.startswith(own["description"])
        and set(offered["parameters"]["properties"]) == set(own["parameters"]["properties"])
    )

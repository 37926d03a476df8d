"""What distinguishes two states of the library's parsers: equal keys go on alike.

The parsers themselves are compared by identity and grow with the text read; the keys hold only what the rest of the
value depends on. Strings that may hold anything are known by how many characters they still need and may still take.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from lmformatenforcer import CharacterLevelParser, JsonSchemaParser
from lmformatenforcer.characterlevelparser import ForceStopParser
from lmformatenforcer.jsonschemaparser import (
    ListParsingState,
    ObjectParsingStage,
    ObjectParsingState,
    StringParsingState,
)

from octupus.decoding.lm_format_enforcer.grammar import Words
from octupus.decoding.lm_format_enforcer.leaves import LiteralParser, NumberParser


@dataclass(frozen=True, slots=True)
class Room:
    """Characters that a string still needs, and may still take (None: any number)."""

    due: int
    most: int | None

    def clipped(self, horizon: int) -> Room:
        """Alike for all tokens of at most `horizon` characters."""
        return Room(min(self.due, horizon), None if self.most is None or self.most > horizon else self.most)


def key(parser: JsonSchemaParser, horizon: int | None = None) -> Hashable:
    """The key of a state; with `horizon`, one that is equal where the next `horizon` characters go on alike."""
    return tuple(_frames(parser.object_stack, horizon)), parser.last_non_whitespace_character == "["


def holder_of_key(parser: JsonSchemaParser) -> ObjectParsingState | None:
    """The object whose key is being read, or whose colon is due."""
    stack = parser.object_stack
    if len(stack) < 2 or not isinstance(stack[-2], ObjectParsingState):
        return None
    return stack[-2] if stack[-2].current_stage is ObjectParsingStage.PARSING_KEY_VALUE_SEPARATOR else None


def room(parser: JsonSchemaParser) -> Room | None:
    """How much an open string that may hold anything takes; None elsewhere."""
    string = parser.object_stack[-1] if parser.object_stack else None
    if not isinstance(string, StringParsingState) or string.allowed_strings is not None or not _is_open(string):
        return None
    length = len(string.parsed_string)
    return Room(
        max(0, (string.min_length or 0) - length), None if string.max_length is None else string.max_length - length
    )


def repeats_key(parser: JsonSchemaParser) -> bool:
    """Whether the key being read, if it ended here, is one that its map already has."""
    holder = holder_of_key(parser)
    return holder is not None and parser.object_stack[-1].parsed_string in holder.existing_keys


def rests_of_keys(parser: JsonSchemaParser) -> list[str]:
    """In a key of a map: what is missing to each key that matters and begins like it, as the library reads them."""
    holder = holder_of_key(parser)
    if holder is None or not holder.is_dictionary:
        return []
    begun = parser.object_stack[-1].parsed_string
    return [name[len(begun) :] for name in _keys_that_matter(holder) if name.startswith(begun)]


def _keys_that_matter(holder: ObjectParsingState) -> list[str]:
    """Keys that a map has, which may not come again, and that it requires, without which it cannot close."""
    return [*holder.existing_keys, *holder.schema_object.required]


def _frames(stack: list[CharacterLevelParser], horizon: int | None) -> Iterator[Hashable]:
    for position, frame in enumerate(stack):
        below = stack[position - 1] if position else None
        if isinstance(frame, ObjectParsingState):
            yield id(frame.schema_object), frame.current_stage.value, frozenset(frame.existing_keys)
        elif isinstance(frame, ListParsingState):
            yield id(frame.list_member_type), frame.seen_list_opener, frame.seen_list_closer, _items(frame)
        elif isinstance(frame, StringParsingState):
            yield _string(frame, below, horizon)
        elif isinstance(frame, NumberParser | LiteralParser):
            yield frame.state()
        elif isinstance(frame, ForceStopParser):
            yield "end"
        else:
            raise TypeError(f"no key for a {type(frame).__name__}")


def _items(frame: ListParsingState) -> int:
    """Items seen; beyond the least number an array without a greatest one forgets how many."""
    seen = int(frame.num_items_seen)
    return seen if frame.max_items is not None else min(seen, max(frame.min_items or 0, 1) + 1)


def _string(frame: StringParsingState, below: CharacterLevelParser | None, horizon: int | None) -> Hashable:
    if isinstance(below, ObjectParsingState) and below.current_stage is ObjectParsingStage.PARSING_KEY_VALUE_SEPARATOR:
        begun = frame.parsed_string
        if horizon is not None and below.is_dictionary and not frame.seen_closing_quote:
            begun = begun if any(name.startswith(begun) for name in _keys_that_matter(below)) else None
        return "key", begun, frame.seen_closing_quote
    if frame.seen_closing_quote:
        return "string"
    if isinstance(frame.allowed_strings, Words):
        return "enum", frame.allowed_strings.enum, frame.seen_opening_quote, frame.parsed_string
    length = len(frame.parsed_string) if frame.seen_opening_quote else 0
    most = None if frame.max_length is None else frame.max_length - length
    left = Room(max(0, (frame.min_length or 0) - length), most)
    return "text", frame.seen_opening_quote, left if horizon is None else left.clipped(horizon)


def _is_open(frame: StringParsingState) -> bool:
    return bool(frame.seen_opening_quote and not frame.seen_closing_quote)

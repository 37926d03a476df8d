"""Strict JSON (RFC 8259) read character by character and handed, decoded, to the library's parsers.

The library follows the schema. The reader follows the writing: quotes, escapes, at most one space behind a comma or
colon, no comma before a closing bracket, no control characters and no surrogates inside strings. A character must
please both.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Hashable, Iterator
from functools import cached_property

from lmformatenforcer import CharacterLevelParser, JsonSchemaParser
from lmformatenforcer.characterlevelparser import ForceStopParser
from lmformatenforcer.jsonschemaparser import ListParsingState, ObjectParsingState

from octupus.decoding.arguments import Frame
from octupus.decoding.lm_format_enforcer import structure
from octupus.decoding.lm_format_enforcer.characters import ANY, QUOTE, decode, encode
from octupus.decoding.lm_format_enforcer.grammar import Choices, Grammar, Words

DEEPEST = 100
"""Beyond this many open brackets values are as shallow as the schema allows: endless nesting is not an answer."""
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ALL_BYTES = frozenset(range(256))
_STRING_SIGNS = frozenset(b'"\\')
_IN_ESCAPES = frozenset(b'"\\/nrtu0123456789abcdefABCDEF')
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


class Place(enum.Enum):
    """Where in the text a thread stands."""

    SEPARATED = enum.auto()
    """Before a value, where one space may stand."""
    COMMA = enum.auto()
    """Behind a comma; a space may stand here, a closing bracket may not."""
    COMMA_SPACE = enum.auto()
    TOKEN = enum.auto()
    """Anywhere else between strings, or in a number or literal."""
    STRING = enum.auto()
    ESCAPE = enum.auto()
    UNICODE = enum.auto()
    AFTER = enum.auto()
    """In the frame's text behind the value."""


_STRING_PLACES = frozenset({Place.STRING, Place.ESCAPE, Place.UNICODE})


class Thread:
    """One way to read the text so far: a parser with every choice of the schema made. Immutable."""

    def __init__(self, parser: JsonSchemaParser, place: Place, detail: str = "") -> None:
        self.parser = parser
        self.place = place
        self.detail = detail
        """The hexadecimal digits of an escape read so far, or the part of the frame's text that is still due."""

    @cached_property
    def allowed(self) -> frozenset[str]:
        """What the library takes next, as it reads characters."""
        return frozenset(self.parser.get_allowed_characters())

    def key(self, horizon: int | None = None) -> Hashable:
        """See `structure.key`."""
        if self.place is Place.AFTER:
            return self.detail
        return self.place, self.detail, structure.key(self.parser, horizon)

    @cached_property
    def room(self) -> structure.Room | None:
        """How much an open string takes when any characters may come next; None elsewhere."""
        if self.place is not Place.STRING or self.rests:
            return None
        return structure.room(self.parser)

    @cached_property
    def rests(self) -> list[str]:
        """See `structure.rests_of_keys`."""
        return structure.rests_of_keys(self.parser) if self.place in _STRING_PLACES else []

    def ends_value(self) -> bool:
        """Whether the value is complete."""
        return self.place is Place.TOKEN and bool(self.parser.can_end())


class Reader:
    """Moves threads through one grammar and one frame."""

    def __init__(self, grammar: Grammar, choices: Choices, frame: Frame) -> None:
        self._grammar = grammar
        self._frame = frame
        place = Place.SEPARATED if frame.spaced else Place.TOKEN
        self.start = [Thread(grammar.parser([choice]), place) for choice in choices]

    def can_end(self, thread: Thread) -> bool:
        """Whether the value and its frame are complete."""
        if thread.place is Place.AFTER:
            return not thread.detail
        return not self._frame.after and thread.ends_value()

    def after(self, thread: Thread, character: str) -> Iterator[Thread]:
        """The threads behind a character; none when it may not come next."""
        place = thread.place
        if place is Place.AFTER:
            if thread.detail.startswith(character):
                yield Thread(thread.parser, Place.AFTER, thread.detail[1:])
        elif place is Place.STRING:
            yield from self._in_string(thread, character)
        elif place is Place.ESCAPE:
            yield from self._in_escape(thread, character)
        elif place is Place.UNICODE:
            yield from self._in_unicode(thread, thread.detail + character)
        else:
            if self._frame.after.startswith(character) and thread.ends_value():
                yield Thread(thread.parser, Place.AFTER, self._frame.after[1:])
            yield from self._between(thread, character)

    def admits(self, thread: Thread, lowest: int, highest: int) -> bool:
        """Whether some character from code point `lowest` to `highest`, beyond ASCII, may come next."""
        if thread.place is Place.AFTER:
            return thread.detail != "" and lowest <= ord(thread.detail[0]) <= highest
        if thread.place is not Place.STRING:
            return thread.ends_value() and lowest <= ord(self._frame.after[:1] or "\0") <= highest
        return ANY in thread.allowed or any(lowest <= ord(character) <= highest for character in thread.allowed)

    def first_bytes(self, thread: Thread) -> frozenset[int]:
        """Bytes that may begin the next character. Others never do; of these some may not either."""
        if thread.place is Place.AFTER:
            return frozenset(thread.detail[:1].encode()[:1])
        if thread.place is not Place.STRING:
            between = "".join(character for character in thread.allowed if character < "\x7f")
            return (
                _IN_ESCAPES
                if thread.place in _STRING_PLACES
                else frozenset(between.encode() + b" " + self._frame.after[:1].encode()[:1])
            )
        if ANY in thread.allowed:
            return _ALL_BYTES
        return frozenset(decode(character).encode()[0] for character in thread.allowed) | _STRING_SIGNS

    def content(self, thread: Thread, encoded: str) -> Iterator[Thread]:
        """The threads behind one decoded character of a string, as `characters.encode` writes it."""
        if encoded in thread.allowed:
            yield self._fed(thread, encoded)
        elif ANY in thread.allowed:
            following = self._fed(thread, ANY)
            # The library is told of any character by the same one, but has to know the keys of a map.
            string = following.parser.object_stack[-1]
            string.parsed_string = string.parsed_string[:-1] + encoded
            yield following

    def _fed(self, thread: Thread, encoded: str) -> Thread:
        parser = thread.parser.add_character(encoded)
        string = parser.object_stack[-1]
        if isinstance(string.allowed_strings, Words):
            words = [word for word in string.allowed_strings if word.startswith(string.parsed_string)]
            string.allowed_strings = Words(words, string.allowed_strings.enum)
        return Thread(parser, Place.STRING)

    def _in_string(self, thread: Thread, character: str) -> Iterator[Thread]:
        if character == QUOTE:
            if QUOTE in thread.allowed and not structure.repeats_key(thread.parser):
                yield Thread(thread.parser.add_character(QUOTE), Place.TOKEN)
        elif character == "\\":
            if ANY in thread.allowed or any(_spellings(thread)):
                yield Thread(thread.parser, Place.ESCAPE)
        elif character >= " ":
            yield from self.content(thread, encode(character))

    def _in_escape(self, thread: Thread, character: str) -> Iterator[Thread]:
        if character == "u" and (ANY in thread.allowed or any(text.startswith("u") for text in _spellings(thread))):
            yield Thread(thread.parser, Place.UNICODE)
        elif character in _ESCAPES and (ANY in thread.allowed or character in _spellings(thread)):
            yield from self.content(thread, encode(_ESCAPES[character]))

    def _in_unicode(self, thread: Thread, digits: str) -> Iterator[Thread]:
        digits = digits.lower()
        # Surrogates are never written: what they stand for can be written as itself.
        if digits[-1] not in _HEXADECIMAL or (digits[0] == "d" and digits[1:2] >= "8"):
            return
        if ANY not in thread.allowed and not any(text.startswith("u" + digits) for text in _spellings(thread)):
            return
        if len(digits) < 4:
            yield Thread(thread.parser, Place.UNICODE, digits)
        else:
            yield from self.content(thread, encode(chr(int(digits, 16))))

    def _between(self, thread: Thread, character: str) -> Iterator[Thread]:
        place = thread.place
        if character == " ":
            if place is Place.SEPARATED:
                yield Thread(thread.parser, Place.TOKEN)
            elif place is Place.COMMA:
                yield Thread(thread.parser, Place.COMMA_SPACE)
        elif character in thread.allowed and not (character in "\t\n\r" or self._is_refused(thread, character)):
            following = thread.parser.add_character(character)
            if character == QUOTE:
                yield Thread(following, Place.STRING)
            elif character in ":,[":
                separated = {":": Place.SEPARATED, ",": Place.COMMA, "[": Place.TOKEN}[character]
                for parser in self._opened(thread.parser, following, character):
                    yield Thread(parser, separated)
            else:
                yield Thread(following, Place.TOKEN)

    def _is_refused(self, thread: Thread, character: str) -> bool:
        if thread.place in (Place.COMMA, Place.COMMA_SPACE):
            return character in "}]"
        is_deep = len(thread.parser.object_stack) > DEEPEST
        return is_deep and character in ',"' and not thread.allowed.isdisjoint("}]")

    def _opened(self, before: JsonSchemaParser, parser: JsonSchemaParser, character: str) -> Iterator[JsonSchemaParser]:
        """The parsers with the value that begins now in place of the library's placeholder."""
        stack = parser.object_stack
        if isinstance(stack[-1], ObjectParsingState):
            yield parser
            return
        holder, below = stack[-2], stack[:-2]
        if isinstance(holder, ObjectParsingState):
            choices = self._grammar.member(holder, holder.current_key)
        else:
            choices = self._grammar.item(holder)
            if character == "," and isinstance(before.object_stack[-1], ListParsingState):
                # The library has counted the item when it ended, and again at the comma.
                holder = holder._clone()
                holder.num_items_seen -= 1
        for choice in self._chosen(choices, character == "[" and not holder.min_items, len(stack)):
            opened = self._grammar.parser([*below, holder, choice])
            opened.last_non_whitespace_character = parser.last_non_whitespace_character
            yield opened

    def _chosen(self, choices: Choices, may_close: bool, depth: int) -> Iterator[CharacterLevelParser]:
        if depth > DEEPEST:
            shallow = tuple(part for part in choices if not isinstance(part, ObjectParsingState | ListParsingState))
            choices = () if may_close else shallow or choices
        yield from choices
        if may_close:
            yield ForceStopParser()


def _spellings(thread: Thread) -> Iterator[str]:
    """What an escape says behind its backslash, for each character of given strings that needs one.

    Names and enums are written one way: escapes only where JSON asks for them, the short ones where there are any.
    """
    for encoded in thread.allowed:
        written = json.dumps(decode(encoded), ensure_ascii=False)
        if encoded != QUOTE and written.startswith('"\\'):
            yield written[2:-1]

"""Finds conversations that hold what a model will be evaluated with.

Three things are looked for, most telling first: a whole user turn of an evaluation, a run of 13 successive tokens of
one (the overlap by which T. Brown et al., Language Models are Few-Shot Learners, 2020, appendix C, cleaned their
training data), and a tool of an evaluation with its description. Text is compared by the tokens of `minhash.tokens`,
so case, punctuation and white space do not count, nor do `.` and `_` in a tool's name.

Only user turns are compared: assistants' and tools' texts are not given in an evaluation. Turns below `SHORTEST_TURN`
tokens are not looked for as a whole, nor tools without a description. An index holds hashes of 64 bits, no text;
ten bytes each, so that of a whole evaluation is small enough to be sent to every worker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from octupus.conversation import Conversation, Tool, json_text
from octupus.data.minhash import Hashes, shingle_hashes, tokens
from octupus.data.reasons import Problem, Reason

NGRAM = 13
"""Tokens in a run, be they words or Chinese characters.

Of 32,121 user turns of ten unrelated English corpora 1229 share a run of 8 with another corpus, 220 one of 10, 7 one
of 13: the shorter ones are stock phrases. Of 1452 Chinese turns 4 share a run of 8, none one of 10.
"""

SHORTEST_TURN = 8
"""Tokens that a user turn must have to be looked for as a whole.

In the same corpora four different turns occur in two of them, of 2, 5, 6 and 8 tokens; the last is no stock phrase.
"""

_EXCERPT_CHARACTERS = 120


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Hashes, ascending and each once, with the origin of each as a position in the index's `origins`."""

    hashes: Hashes
    origins: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, hashes: Hashes, origins: npt.NDArray[np.uint16]) -> _Table:
        """The table of hashes in any order and repeated; of several origins of one hash the first is kept."""
        order = np.lexsort((origins, hashes))
        unique, first = np.unique(hashes[order], return_index=True)
        return cls(unique, origins[order][first])

    def first(self, hashes: Hashes) -> tuple[int, int] | None:
        """Position in `hashes` and origin of the first that the table holds."""
        if not len(self.hashes):
            return None
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        found = np.flatnonzero(self.hashes[places] == hashes)
        return (int(found[0]), int(self.origins[places[found[0]]])) if len(found) else None


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationIndex:
    """The hashes of one or several evaluations. Pickles; the same evaluations make the same index in any order."""

    ngram: int
    shortest_turn: int
    origins: tuple[str, ...]
    """What the evaluations are called, sorted."""
    _turns: _Table
    _ngrams: _Table
    _tools: _Table

    @classmethod
    def build(
        cls,
        conversations: Iterable[Conversation],
        origin: str,
        ngram: int = NGRAM,
        shortest_turn: int = SHORTEST_TURN,
    ) -> EvaluationIndex:
        """The index of an evaluation's conversations; `origin` is what reports call the evaluation."""
        if min(ngram, shortest_turn) < 1:
            raise ValueError(f"ngram and shortest_turn must be at least 1, not {ngram} and {shortest_turn}")
        turns: set[int] = set()
        tools: set[int] = set()
        ngrams = [np.empty(0, np.uint64)]
        for conversation in conversations:
            for words in _user_turns(conversation):
                ngrams.append(shingle_hashes(words, ngram))
                if len(words) >= shortest_turn:
                    turns.add(_hash(words))
            tools.update(hash_ for tool in conversation.tools if (hash_ := _tool_hash(tool)) is not None)
        tables = (np.fromiter(turns, np.uint64), np.concatenate(ngrams), np.fromiter(tools, np.uint64))
        return cls(
            ngram, shortest_turn, (origin,), *(_Table.of(each, np.zeros(len(each), np.uint16)) for each in tables)
        )

    @classmethod
    def merged(cls, indexes: Sequence[EvaluationIndex]) -> EvaluationIndex:
        """One index of all; what several evaluations hold counts for the first by name."""
        parameters = {(index.ngram, index.shortest_turn) for index in indexes}
        if len(parameters) != 1:
            raise ValueError(f"only indexes of the same ngram and shortest_turn merge, not of {sorted(parameters)}")
        origins = tuple(sorted({origin for index in indexes for origin in index.origins}))
        codes = [np.array([origins.index(each) for each in index.origins], np.uint16) for index in indexes]

        def union(tables: Sequence[_Table]) -> _Table:
            renamed = [code[table.origins] for code, table in zip(codes, tables, strict=True)]
            return _Table.of(np.concatenate([table.hashes for table in tables]), np.concatenate(renamed))

        return cls(
            *parameters.pop(),
            origins,
            union([index._turns for index in indexes]),
            union([index._ngrams for index in indexes]),
            union([index._tools for index in indexes]),
        )

    @property
    def fingerprint(self) -> str:
        """sha256 of all that decides what `find` finds, in hex."""
        digest = hashlib.sha256(json_text([self.ngram, self.shortest_turn, self.origins]).encode())
        for table in (self._turns, self._ngrams, self._tools):
            digest.update(len(table.hashes).to_bytes(8, "little"))
            digest.update(table.hashes.astype("<u8").tobytes())
            digest.update(table.origins.astype("<u2").tobytes())
        return digest.hexdigest()

    def find(self, conversation: Conversation) -> Problem | None:
        """What of an evaluation the conversation holds, or None."""
        turns = list(_user_turns(conversation))
        return self._find_turn(turns) or self._find_ngram(turns) or self._find_tool(conversation.tools)

    def _find_turn(self, turns: Sequence[Sequence[str]]) -> Problem | None:
        long = [words for words in turns if len(words) >= self.shortest_turn]
        found = self._turns.first(np.fromiter(map(_hash, long), np.uint64))
        if not found:
            return None
        position, origin = found
        return self._problem("a user turn is one of", origin, long[position])

    def _find_ngram(self, turns: Sequence[Sequence[str]]) -> Problem | None:
        for words in turns:
            found = self._ngrams.first(shingle_hashes(words, self.ngram))
            if found:
                position, origin = found
                shared = words[position : position + self.ngram]
                return self._problem(f"a user turn shares {self.ngram} successive words with", origin, shared)
        return None

    def _find_tool(self, tools: Sequence[Tool]) -> Problem | None:
        hashes = [(tool, hash_) for tool in tools if (hash_ := _tool_hash(tool)) is not None]
        found = self._tools.first(np.fromiter((hash_ for _, hash_ in hashes), np.uint64))
        if not found:
            return None
        position, origin = found
        function = hashes[position][0].function
        return self._problem(
            f"the tool {function.name!r} has name and description of one of", origin, tokens(function.description)
        )

    def _problem(self, what: str, origin: int, words: Sequence[str]) -> Problem:
        """Words instead of the text itself: they can be written whatever the text holds."""
        excerpt = " ".join(words)
        if len(excerpt) > _EXCERPT_CHARACTERS:
            excerpt = excerpt[:_EXCERPT_CHARACTERS] + "..."
        return Reason.CONTAMINATED, f"{what} {self.origins[origin]}: {excerpt!r}"


def _user_turns(conversation: Conversation) -> Iterator[list[str]]:
    """The tokens of each user message."""
    return (tokens(message.content or "") for message in conversation.messages if message.role == "user")


def _tool_hash(tool: Tool) -> int | None:
    """The hash of a tool's name and description; None without a description, since names alone are common."""
    description = tokens(tool.function.description)
    return _hash([*tokens(tool.function.name), "", *description]) if description else None


def _hash(words: Sequence[str]) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode("utf-8"), digest_size=8).digest(), "little")

"""What a retriever is trained and measured on: documents that describe tools, and queries with the relevant ones."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from octupus.conversation import json_text
from octupus.errors import CorpusError

Split = Literal["train", "test"]

_NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


@dataclass(frozen=True, slots=True)
class Document:
    """The text that stands for one tool."""

    id: str
    text: str
    about: Mapping[str, str] = field(default_factory=dict)
    """What is told of it beside its id, such as its category."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a user asks for, and the documents of the tools that it takes."""

    id: str
    text: str
    relevant: tuple[str, ...]
    split: Split


@dataclass(frozen=True)
class RetrievalCorpus:
    """Documents and queries that refer to them; at least one document for each query."""

    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    counts: Mapping[str, int]
    """What the files held, and what of it was left out or merged, by name."""

    def of(self, split: Split) -> tuple[Query, ...]:
        """The queries of one side."""
        return tuple(query for query in self.queries if query.split == split)

    @property
    def sha256(self) -> str:
        """Of everything that training or measuring depends on."""
        parts = (
            [[each.id, each.text] for each in self.documents],
            [[each.id, each.text, each.relevant, each.split] for each in self.queries],
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class CorpusBuilder:
    """Collects documents and queries in any order, and counts whatever does not fit together."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._documents: dict[str, Document] = {}
        self._queries: list[tuple[str, str, tuple[str, ...], Split | None]] = []

    def document(self, document: Document) -> None:
        """Add a document. The first of an id stays; another text under the same id is counted."""
        document = replace(document, text=_encodable(document.text))
        known = self._documents.setdefault(document.id, document)
        self.counts["documents_differing"] += known.text != document.text

    def query(self, identity: str, text: str, relevant: Iterable[str], split: Split | None = None) -> None:
        """Add a query; without a split it is drawn."""
        self.counts["queries_read"] += 1
        self._queries.append((identity, _encodable(text), tuple(dict.fromkeys(relevant)), split))

    def finish(self, seed: int, test_share: float) -> RetrievalCorpus:
        """The corpus. Queries of equal words on one side become one, with all of their relevant documents.

        A query without a split goes to `test` with probability `test_share`, by its words alone with all numbers
        taken for the same, so that near-equal queries never stand on both sides. Raises CorpusError when a side is
        empty.
        """
        merged: dict[tuple[str, Split], Query] = {}
        for identity, text, named, given in self._queries:
            words = normalised(text)
            relevant = tuple(each for each in named if each in self._documents)
            self.counts["relevant_without_document"] += len(named) - len(relevant)
            if not words or not relevant:
                self.counts["queries_empty" if not words else "queries_without_relevant"] += 1
                continue
            split: Split = given or drawn_split(words, seed, test_share)
            known = merged.get((words, split))
            if known is not None:
                self.counts["queries_merged"] += 1
                identity, text, relevant = known.id, known.text, tuple(dict.fromkeys(known.relevant + relevant))
            merged[words, split] = Query(identity, text, relevant, split)
        sides = {name: {words for words, side in merged if side == name} for name in ("train", "test")}
        for name, found in sides.items():
            if not found:
                raise CorpusError(
                    f"the {name} side of the retrieval corpus has no query: {self.counts['queries_read']} were read, "
                    f"{dict(self.counts)}; give more queries, or change data.test_share"
                )
            self.counts[f"queries_{name}"] = len(found)
        self.counts["queries_on_both_sides"] = len(sides["train"] & sides["test"])
        self.counts["documents"] = len(self._documents)
        counts = {what: count for what, count in sorted(self.counts.items()) if count}
        return RetrievalCorpus(tuple(self._documents.values()), tuple(merged.values()), counts)


def normalised(text: str) -> str:
    """The words of a text, without case, punctuation and forms of width."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def drawn_split(words: str, seed: int, test_share: float) -> Split:
    """The side of a normalised text, which depends on nothing but these arguments."""
    key = f"{seed}:{re.sub(r'[0-9]+', '0', words)}".encode()
    draw = int.from_bytes(hashlib.sha256(key).digest()[:8]) / 2**64
    return "test" if draw < test_share else "train"


def document_text(
    category: str, tool: str, api: str, description: str, required: Mapping[str, str], optional: Mapping[str, str]
) -> str:
    """A tool in one line, in the order of ToolBench's retriever; parameters are given as name and description."""
    parts = [category, tool, api, " ".join(description.split())]
    parts += [f"required_params: {_parameters(required)}", f"optional_params: {_parameters(optional)}"]
    return ", ".join(part for part in parts if part)


def words_of_name(name: str) -> str:
    """A name such as `web_requests` or `PDF&URLTool` as words: `web requests`, `PDF URL Tool`."""
    return " ".join(_NAME_PARTS.findall(name)) or name


def _encodable(text: str) -> str:
    """The text without lone surrogates, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parameters(described: Mapping[str, str]) -> str:
    return json_text([f"{name}: {text}" if text else name for name, text in described.items()])

"""A directory that holds documents with their vectors and the encoder that made them, ready to be searched.

documents.jsonl   {id, text, about} a line
vectors.npy       float32 of shape (documents, dimensions), rows of length 1, in the same order
encoder/          the Hugging Face directory
index.json        counts, settings and sha256 of documents and vectors, written last
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from octupus import versions
from octupus.agent.retrieve.bm25 import Bm25
from octupus.agent.retrieve.config import Method
from octupus.agent.retrieve.corpus import Document, document_text
from octupus.agent.retrieve.encoder import Encoder, Vectors
from octupus.agent.retrieve.ranking import Fused, Ranked, Retriever, best
from octupus.agent.tools.toolbox import Toolbox, ToolEntry
from octupus.conversation import json_text
from octupus.errors import ConfigError, OutputError
from octupus.telemetry import write_json

INDEX_FILE = "index.json"


class Index:
    """Documents, their vectors, and the encoder for queries."""

    def __init__(self, documents: Sequence[Document], vectors: Vectors, encoder: Encoder) -> None:
        self.documents = {document.id: document for document in documents}
        self._ids = list(self.documents)
        self._vectors = vectors
        self._encoder = encoder

    @classmethod
    def open(cls, directory: Path, device: torch.device | None = None) -> Self:
        """Raises ConfigError when it is no index, or not as it was written."""
        try:
            record = json.loads((directory / INDEX_FILE).read_text(encoding="utf-8"))
            text = (directory / "documents.jsonl").read_bytes()
            documents = [Document(**json.loads(line)) for line in text.splitlines()]
            vectors = np.load(directory / "vectors.npy", allow_pickle=False)
            written = record["sha256"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{directory} is no index of a retriever: {error}; build it anew") from error
        if written != _sha256(text, vectors) or len(documents) != len(vectors):
            raise ConfigError(f"the files in {directory} are not those that {INDEX_FILE} tells of; build it anew")
        return cls(documents, vectors, Encoder.open(directory / "encoder", record["max_tokens"], device))

    def rank(self, query: str, k: int, only: Collection[str] | None = None) -> Ranked:
        """See Retriever; scores are cosines."""
        return best(self._ids, self._vectors @ self._encoder.embed([query])[0], k, only)

    search = rank

    def retriever(self, method: Method) -> Retriever:
        """Cosines alone, BM25 over the same documents, or both fused."""
        if method == "encoder":
            return self
        words = Bm25(list(self.documents.values()))
        return words if method == "bm25" else Fused([words, self])


def build_index(documents: Sequence[Document], encoder: Path, max_tokens: int, directory: Path) -> None:
    """Write an index, replacing an earlier one when it is whole.

    Raises ConfigError without documents or with an id twice, and OutputError when it cannot be written.
    """
    if not documents or len({document.id for document in documents}) < len(documents):
        raise ConfigError("an index needs documents, each with an id of its own")
    vectors = Encoder.open(encoder, max_tokens).embed([document.text for document in documents])
    rows = [{"id": each.id, "text": each.text, "about": dict(each.about)} for each in documents]
    text = "".join(json_text(row) + "\n" for row in rows).encode("utf-8", "replace")
    partial = directory.with_name(f".{directory.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(encoder, partial / "encoder")
        (partial / "documents.jsonl").write_bytes(text)
        np.save(partial / "vectors.npy", vectors)
        record = {
            "documents": len(documents),
            "dimensions": vectors.shape[1],
            "max_tokens": max_tokens,
            "sha256": _sha256(text, vectors),
            "versions": versions.installed(),
        }
        write_json(partial / INDEX_FILE, record)
        if (directory / INDEX_FILE).is_file():
            shutil.rmtree(directory)
        partial.replace(directory)
    except OSError as error:
        raise OutputError(f"cannot write the index {directory}: {error}") from error


def documents_of(toolbox: Toolbox) -> list[Document]:
    """A document for each tool, whose id is the name that it is called by."""
    return [document_of(entry) for entry in toolbox.entries]


def document_of(entry: ToolEntry) -> Document:
    """The text of a tool as ToolBench's retriever has it, from its schema."""
    schema = entry.tool.function.parameters
    required = frozenset(schema.get("required") or ())
    described = {
        name: str(part.get("description") or "") if isinstance(part, dict) else ""
        for name, part in (schema.get("properties") or {}).items()
    }
    about = {"category": entry.category, "tool": entry.collection, "api": entry.api or entry.name}
    text = document_text(
        about["category"],
        about["tool"],
        about["api"],
        entry.tool.function.description,
        {name: text for name, text in described.items() if name in required},
        {name: text for name, text in described.items() if name not in required},
    )
    return Document(entry.name, text, about)


def _sha256(text: bytes, vectors: Vectors) -> str:
    return hashlib.sha256(text + vectors.tobytes()).hexdigest()

"""Reads retrieval corpora: ToolBench's files, files of ToolBench queries, MetaTool's, and octupus's own form."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from octupus.agent.retrieve.config import RetrievalDataConfig
from octupus.agent.retrieve.corpus import (
    CorpusBuilder,
    Document,
    RetrievalCorpus,
    Split,
    document_text,
    words_of_name,
)
from octupus.conversation import json_text
from octupus.errors import CorpusError


def read_corpus(config: RetrievalDataConfig) -> RetrievalCorpus:
    """The corpus that a configuration names. Raises CorpusError, which says which file is missing or broken where."""
    builder = CorpusBuilder()
    for path in config.paths:
        _READERS[config.format](builder, path, config)
    return builder.finish(config.seed, config.test_share)


def write_corpus(corpus: RetrievalCorpus, directory: Path) -> None:
    """Write octupus's own form.

    documents.jsonl has a line {id, text, about} for each document, queries.jsonl {id, text, relevant, split}.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents = [{"id": each.id, "text": each.text, "about": dict(each.about)} for each in corpus.documents]
    queries = [
        {"id": each.id, "text": each.text, "relevant": list(each.relevant), "split": each.split}
        for each in corpus.queries
    ]
    for name, rows in (("documents.jsonl", documents), ("queries.jsonl", queries)):
        (directory / name).write_text("".join(json_text(row) + "\n" for row in rows), encoding="utf-8")


def _own(builder: CorpusBuilder, directory: Path, config: RetrievalDataConfig) -> None:
    for where, row in _json_lines(directory / "documents.jsonl"):
        with _Broken(where):
            builder.document(Document(_text(row, "id"), _text(row, "text"), _about(row)))
    for where, row in _json_lines(directory / "queries.jsonl"):
        with _Broken(where):
            builder.query(_text(row, "id"), _text(row, "text"), map(str, row["relevant"]), _split(row.get("split")))


def _toolbench(builder: CorpusBuilder, directory: Path, config: RetrievalDataConfig) -> None:
    """corpus.tsv, {train,test}.query.txt and qrels.{train,test}.tsv, as ToolBench's preprocessing writes them.

    It writes a document and a query once for each pair they are in.
    """
    for where, cells in _rows(directory / "corpus.tsv", 2, header=("docid", "document_content")):
        with _Broken(where):
            builder.document(_described_document(cells[0], json.loads(cells[1])))
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        relevant: dict[str, list[str]] = {}
        for where, cells in _rows(directory / f"qrels.{split}.tsv", 4):
            with _Broken(where):
                if float(cells[3]) > 0:
                    relevant.setdefault(cells[0], []).append(cells[2])
        texts = {cells[0]: cells[1] for _, cells in _rows(directory / f"{split}.query.txt", 2)}
        for identity, text in texts.items():
            builder.query(identity, text, relevant.pop(identity, ()), split)
        builder.counts["relevances_without_query"] += sum(map(len, relevant.values()))


def _toolbench_queries(builder: CorpusBuilder, path: Path, config: RetrievalDataConfig) -> None:
    """ToolBench's and StableToolBench's query files. All files' `api_list` together are the documents."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"{path} holds no .json file of ToolBench queries")
    for file in files:
        rows = _json_file(file)
        if not isinstance(rows, list):
            raise CorpusError(f"{file} is no list of ToolBench queries")
        for position, row in enumerate(rows):
            with _Broken(f"{file}, query {position}"):
                _add_toolbench_query(builder, file.stem, position, row)


def _add_toolbench_query(builder: CorpusBuilder, stem: str, position: int, row: Mapping[str, Any]) -> None:
    ids: dict[tuple[str, str], list[str]] = {}
    for api in row["api_list"]:
        category, tool, name = (_text(api, f"{part}_name") for part in ("category", "tool", "api"))
        identity = f"{category}/{tool}/{name}"
        ids.setdefault((tool, name), []).append(identity)
        builder.document(_described_document(identity, api))
    relevant: list[str] = []
    for tool, name, *_ in row.get("relevant APIs") or ():
        # One that the list does not hold is counted as a relevant one without a document.
        relevant += ids.get((tool, name), [f"/{tool}/{name}"])
    builder.query(f"{stem}/{row.get('query_id', position)}", _text(row, "query"), relevant)


def _metatool(builder: CorpusBuilder, directory: Path, config: RetrievalDataConfig) -> None:
    """all_clean_data.csv and, if it is there, multi_tool_query_golden.json.

    These files name tools and say nothing else of them, so that a document is its name as words; `descriptions`, a
    JSON object of texts by name, adds what the tools do.
    """
    described = _json_file(config.descriptions) if config.descriptions else {}
    if not isinstance(described, dict):
        raise CorpusError(f"{config.descriptions} is no JSON object of descriptions by tool name")

    def add(identity: str, text: str, tools: Sequence[str]) -> None:
        for tool in tools:
            words, description = words_of_name(tool), str(described.get(tool, ""))
            builder.document(Document(tool, f"{words}, {description}" if description else words, {"tool": tool}))
        builder.query(identity, text, tools)

    file = directory / "all_clean_data.csv"
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, strict=True):
                with _Broken(f"{file}, row {builder.counts['queries_read'] + 1}"):
                    add(f"single/{builder.counts['queries_read']}", _text(row, "Query"), [_text(row, "Tool")])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"cannot read {file}: {error}") from error
    golden = directory / "multi_tool_query_golden.json"
    if golden.exists():
        for position, row in enumerate(_json_file(golden)):
            with _Broken(f"{golden}, query {position}"):
                add(f"multi/{position}", _text(row, "query"), [str(tool) for tool in row["tool"]])


_READERS: dict[str, Callable[[CorpusBuilder, Path, RetrievalDataConfig], None]] = {
    "jsonl": _own,
    "toolbench": _toolbench,
    "toolbench_queries": _toolbench_queries,
    "metatool": _metatool,
}


def _described_document(identity: str, api: Mapping[str, Any]) -> Document:
    """A document of an API as ToolBench describes it."""
    about = {part: str(api.get(f"{part}_name") or "") for part in ("category", "tool", "api")}
    text = document_text(
        about["category"],
        about["tool"],
        about["api"],
        str(api.get("api_description") or ""),
        _described(api.get("required_parameters")),
        _described(api.get("optional_parameters")),
    )
    return Document(identity, text, about)


def _described(parameters: Any) -> dict[str, str]:
    return {str(each["name"]): str(each.get("description") or "") for each in parameters or ()}


class _Broken:
    """Says where a row is that cannot be read."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError):
            raise CorpusError(f"{self._where} cannot be read: {type(error).__name__}: {error}") from error


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r}, not text")
    return value


def _about(row: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in (row.get("about") or {}).items()}


def _split(value: Any) -> Split | None:
    if value not in (None, "train", "test"):
        raise ValueError(f"split {value!r} is neither train nor test")
    return cast("Split | None", value)


def _json_file(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot read {file}: {error}") from error


def _json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with file.open(encoding="utf-8", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                where = f"{file}:{number}"
                if line.strip():
                    with _Broken(where):
                        row = json.loads(line)
                        if not isinstance(row, dict):
                            raise TypeError("the line is no JSON object")
                    yield where, row
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"cannot read {file}: {error}") from error


def _rows(file: Path, width: int, header: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Rows of tab-separated cells. pandas, which writes these files, quotes cells that hold quotes or line breaks."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, delimiter="\t", strict=True)
            for cells in reader:
                where = f"{file}:{reader.line_num}"
                if not cells or tuple(cells) == header:
                    continue
                if len(cells) != width:
                    raise CorpusError(f"{where} has {len(cells)} cells instead of {width}")
                yield where, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"cannot read {file}: {error}") from error

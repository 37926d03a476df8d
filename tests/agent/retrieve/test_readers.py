import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.retrieve.config import RetrievalDataConfig
from octupus.agent.retrieve.corpus import RetrievalCorpus
from octupus.agent.retrieve.readers import read_corpus, write_corpus
from octupus.errors import CorpusError

API = {
    "category_name": "Music",
    "tool_name": "Charts",
    "api_name": "Top songs",
    "api_description": 'The "best"\nsongs\tof a week',
    "required_parameters": [{"name": "week", "type": "STRING", "description": "ISO week", "default": ""}],
    "optional_parameters": [{"name": "limit", "type": "NUMBER", "description": "", "default": 5}],
    "method": "GET",
}


def write_table(file: Path, rows: list[list[Any]]) -> None:
    """As pandas writes it: quotes only where they are needed."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter="\t", lineterminator="\n").writerows(rows)


def toolbench_directory(directory: Path) -> Path:
    other = API | {"api_name": "Artists"}
    documents = [[1, json.dumps(API)], [2, json.dumps(other)], [1, json.dumps(API)]]
    write_table(directory / "corpus.tsv", [["docid", "document_content"], *documents])
    # One row for each pair, so that a query with two documents stands there twice.
    write_table(directory / "train.query.txt", [[1, 'a "quoted"\nquery'], [1, 'a "quoted"\nquery'], [2, "lost"]])
    write_table(directory / "qrels.train.tsv", [[1, 0, 1, 1], [1, 0, 2, 1], [2, 0, 99, 1], [7, 0, 1, 1], [1, 0, 9, 0]])
    write_table(directory / "test.query.txt", [[3, "who leads the charts"]])
    write_table(directory / "qrels.test.tsv", [[3, 0, 1, 1]])
    return directory


def read(form: Any, *paths: Path, **more: Any) -> RetrievalCorpus:
    return read_corpus(RetrievalDataConfig(format=form, paths=paths, **more))


def test_toolbenchs_files_as_pandas_writes_them(tmp_path: Path) -> None:
    corpus = read("toolbench", toolbench_directory(tmp_path))
    assert [document.id for document in corpus.documents] == ["1", "2"]
    assert corpus.documents[0].text == (
        'Music, Charts, Top songs, The "best" songs of a week, required_params: ["week: ISO week"], '
        'optional_params: ["limit"]'
    )
    assert corpus.documents[0].about == {"category": "Music", "tool": "Charts", "api": "Top songs"}
    (train,) = corpus.of("train")
    assert (train.text, train.relevant) == ('a "quoted"\nquery', ("1", "2"))
    assert [query.relevant for query in corpus.of("test")] == [("1",)]
    assert corpus.counts == {
        "documents": 2,
        "queries_read": 3,
        "queries_test": 1,
        "queries_train": 1,
        "queries_without_relevant": 1,
        "relevances_without_query": 1,
        "relevant_without_document": 1,
    }


def test_queries_of_toolbench_give_the_union_of_their_apis(tmp_path: Path) -> None:
    other = API | {"tool_name": "Radio"}
    rows = [
        {"query": f"which songs lead {letter}", "query_id": letter, "api_list": [API], "relevant APIs": [names]}
        for letter, names in (("b", ["Charts", "Top songs"]), ("c", ["Charts", "Top songs"]), ("d", ["Charts", "none"]))
    ] + [{"query": "a radio", "api_list": [other], "relevant APIs": [["Radio", "Top songs"]]}]
    (tmp_path / "G1.json").write_text(json.dumps(rows))
    corpus = read("toolbench_queries", tmp_path, test_share=0.5)
    assert [document.id for document in corpus.documents] == ["Music/Charts/Top songs", "Music/Radio/Top songs"]
    assert {query.id: query.relevant for query in corpus.queries} == {
        "G1/b": ("Music/Charts/Top songs",),
        "G1/c": ("Music/Charts/Top songs",),
        "G1/3": ("Music/Radio/Top songs",),
    }
    assert corpus.counts["relevant_without_document"] == 1


def test_metatool_has_names_and_perhaps_descriptions(tmp_path: Path) -> None:
    rows = "".join(f"question {'x' * number},WebSearch\n" for number in range(1, 20))
    (tmp_path / "all_clean_data.csv").write_text("Query,Tool\n" + rows + '"a, b?",map_tool\n')
    golden = [{"query": "both of them", "tool": ["WebSearch", "map_tool"]}]
    (tmp_path / "multi_tool_query_golden.json").write_text(json.dumps(golden))
    plain = read("metatool", tmp_path)
    assert {document.id: document.text for document in plain.documents} == {
        "WebSearch": "Web Search",
        "map_tool": "map tool",
    }
    assert len(plain.queries) == 21
    assert {query.relevant for query in plain.queries if query.text == "both of them"} == {("WebSearch", "map_tool")}
    (tmp_path / "descriptions.json").write_text(json.dumps({"map_tool": "Shows maps."}))
    described = read("metatool", tmp_path, descriptions=tmp_path / "descriptions.json")
    assert [document.text for document in described.documents] == ["Web Search", "map tool, Shows maps."]


def test_the_own_form_comes_back_as_it_was_written(tmp_path: Path, corpus: RetrievalCorpus) -> None:
    write_corpus(corpus, tmp_path)
    again = read("jsonl", tmp_path)
    assert (again.documents, again.queries, again.sha256) == (corpus.documents, corpus.queries, corpus.sha256)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("documents.jsonl", '{"id": "a"', r"documents\.jsonl:1 cannot be read"),
        ("documents.jsonl", "[1]", r"documents\.jsonl:1 .*no JSON object"),
        ("documents.jsonl", '{"id": 3, "text": "x"}', "id is 3, not text"),
        ("queries.jsonl", '{"id": "q", "text": "x"}', r"queries\.jsonl:1 .*relevant"),
        ("queries.jsonl", '{"id": "q", "text": "x", "relevant": [], "split": "dev"}', "neither train nor test"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, corpus: RetrievalCorpus, name: str, content: str, message: str) -> None:
    write_corpus(corpus, tmp_path)
    (tmp_path / name).write_text(content + "\n")
    with pytest.raises(CorpusError, match=message):
        read("jsonl", tmp_path)


def test_a_missing_file_and_a_row_of_another_width_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"corpus\.tsv"):
        read("toolbench", tmp_path)
    toolbench_directory(tmp_path)
    write_table(tmp_path / "qrels.test.tsv", [[3, 0, 1]])
    with pytest.raises(CorpusError, match=r"qrels\.test\.tsv:1 has 3 cells instead of 4"):
        read("toolbench", tmp_path)


def test_the_real_corpora_are_read_whole(shared: Callable[[str], Path]) -> None:
    metatool = read("metatool", shared("corpora/metatool"))
    assert metatool.counts["queries_read"] == 14_420 + 362
    assert metatool.counts["documents"] == 199
    assert "relevant_without_document" not in metatool.counts
    stable = read("toolbench_queries", shared("corpora/stabletoolbench/test_instruction"))
    assert stable.counts["queries_read"] == 561
    assert sum(len(query.relevant) for query in stable.queries) > 1300
    assert not {"documents_differing", "relevant_without_document", "queries_on_both_sides"} & stable.counts.keys()

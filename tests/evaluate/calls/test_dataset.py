import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from octupus.conversation import Conversation
from octupus.data.config import SourceConfig
from octupus.data.records import RECORD
from octupus.errors import CorpusError
from octupus.evaluate.calls.dataset import load_dataset
from octupus.evaluate.scoring import is_valid

from .conversations import bank, no_call, said, user, weather


def write_records(path: Path, conversations: Sequence[Conversation]) -> SourceConfig:
    pq.write_table(pa.Table.from_pylist([each.to_row() for each in conversations], schema=RECORD), path)
    return SourceConfig(name="held_out", path=path)


CHAT = Conversation(messages=(user("Hello."), said("Hello.")), split="test")
ALL = (weather("Rome"), CHAT, no_call("Sing."), weather("Rome", source="again"), bank(), weather("Oslo", split="dev"))


def test_every_conversation_of_the_split_is_asked_or_counted(tmp_path: Path) -> None:
    dataset = load_dataset([write_records(tmp_path / "held_out.parquet", ALL)], "test", "all", None)
    assert dataset.skipped == {"no_tools": 1, "duplicate": 1}
    assert dataset.read == 5 == len(dataset.conversations) + dataset.skipped.total()
    assert [question.source for question in dataset.questions] == ["cities", "chatter", "bank", "bank", "bank"]


def test_a_limit_takes_the_first_questions_of_the_same_data(tmp_path: Path) -> None:
    source = write_records(tmp_path / "held_out.parquet", ALL)
    every = load_dataset([source], "", "all", None)
    assert len(every.questions) == 6
    for limit in range(1, 7):
        some = load_dataset([source], "", "all", limit)
        assert some.questions == every.questions[:limit]
        assert some.sha256 == every.sha256


def test_other_bytes_or_another_name_are_another_data_set(tmp_path: Path) -> None:
    one = write_records(tmp_path / "one.parquet", ALL[:1])
    two = write_records(tmp_path / "two.parquet", ALL[:3])
    hashes = {
        load_dataset(sources, "", "first", None).sha256
        for sources in ([one], [two], [one, two], [one.model_copy(update={"name": "other"})])
    }
    assert len(hashes) == 4


def test_a_corpus_is_converted_repaired_and_its_language_found(tmp_path: Path) -> None:
    conversation = weather("Rome")
    row = {
        "messages": [message.to_openai() for message in conversation.messages],
        "tools": [tool.model_dump() for tool in conversation.tools],
    }
    path = tmp_path / "rows.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        stream.write(json.dumps(row) + "\nbroken\n")
    source = SourceConfig(name="mine", path=path, format="openai_messages", split="test")
    dataset = load_dataset([source], "test", "first", None)
    (question,) = dataset.questions
    assert question.request.expected_calls == (("weather", {"city": "Rome"}),)
    assert (question.source, question.request.language, question.request.kind) == ("mine", "en", "single")
    assert dataset.skipped == {"broken_json": 1}


@pytest.mark.parametrize(
    ("corpus", "path"),
    [
        ("sealtools_test", "corpora/sealtools/test_in_domain.jsonl"),
        ("apibank", "corpora/apibank/lv1-lv2-samples/level-1-given-desc"),
    ],
)
def test_real_evaluation_corpora(shared: Callable[[str], Path], corpus: str, path: str) -> None:
    source = SourceConfig(name=corpus, corpus=corpus, path=shared(path), split="test")
    dataset = load_dataset([source], "test", "all", 300)
    assert len(dataset.questions) > 100
    for question in dataset.questions:
        calls = [(name, json.dumps(arguments)) for name, arguments in question.request.expected_calls]
        assert all(is_valid(call, question.request.tools) for call in calls)


def test_what_cannot_be_asked_is_said(tmp_path: Path) -> None:
    source = write_records(tmp_path / "held_out.parquet", ALL)
    with pytest.raises(CorpusError, match=r"split 'train'; splits found: 'dev', 'test'"):
        load_dataset([source], "train", "first", None)
    chat = write_records(tmp_path / "chat.parquet", [CHAT])
    with pytest.raises(CorpusError, match="no_tools 1"):
        load_dataset([chat], "", "first", None)
    with pytest.raises(CorpusError, match="does not exist"):
        load_dataset([SourceConfig(name="gone", path=tmp_path / "gone.parquet")], "", "first", None)


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    rows = [{**ALL[0].to_row(), "messages": "{"}]
    path = tmp_path / "broken.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=RECORD), path)
    with pytest.raises(CorpusError, match=r"broken\.parquet: row 0"):
        load_dataset([SourceConfig(name="broken", path=path)], "", "first", None)

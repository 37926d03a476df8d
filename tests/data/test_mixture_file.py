"""Mixture files as octupus's ancestor has them, and what is said about lines that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octupus.data.config import PrepareConfig
from octupus.data.mixture_file import read_mixture, with_mixture_file
from octupus.errors import ConfigError, CorpusError

STAGE_1 = """\
hqfx/openhermes-2.5-qwen-rewrite:train:1
hqfx/wild_chat_en_zh_dedup_v2:English:1
hqfx/wild_chat_en_zh_dedup_v2:Chinese:2
"""
STAGE_2 = """\
hqfx/openhermes-2.5-qwen-rewrite:train:0.04
hqfx/wild_chat_en_zh_dedup_v2:English:0.02
hqfx/wild_chat_en_zh_dedup_v2:Chinese:0.2
hqfx/hermes_fc_oai:func_calling:4
hqfx/hermes_fc_oai:glaive_func_calling:4
hqfx/hermes_fc_oai:func_calling_singleturn:4
hqfx/fc_zh_hard_oai:train:4
hqfx/tool_ace_cleaned:train:2
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "stage.conf"
    path.write_text(text, "utf-8")
    return path


def lines(path: Path) -> list[tuple[str, str, float]]:
    return [(entry.source, entry.split, entry.ratio) for entry in read_mixture(path)]


def config(**changes: Any) -> PrepareConfig:
    return PrepareConfig.model_validate({"model": "m", "output": "out"} | changes)


@pytest.mark.parametrize("text", [STAGE_1, STAGE_2])
def test_the_ancestors_files(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    expected = [tuple(line.split(":")) for line in text.splitlines()]
    assert [(name, split, f"{ratio:g}") for name, split, ratio in lines(path)] == expected
    made = with_mixture_file(config(mixture_file=path))
    assert made.mixture_file is None
    assert [f"{each.source}:{each.split}:{each.ratio:g}" for each in made.mixture] == text.splitlines()
    assert [(each.name, each.split) for each in made.sources] == [(name, split) for name, split, _ in expected]
    assert {each.corpus for each in made.sources} <= {
        *("openhermes_qwen", "wildchat_en_zh", "hermes_oai", "fc_zh_hard_oai", "toolace_oai")
    }
    assert all(each.path is None for each in made.sources)


def test_comments_blank_lines_spaces_and_colons_in_names(tmp_path: Path) -> None:
    text = "# chat\n\n  toolace : train : 0.5  # half\n\t\n#a:b:1\nC:/data/x:dev:2\r\na:b:c:d:1e-2"
    assert lines(written(tmp_path, text)) == [
        ("toolace", "train", 0.5),
        ("C:/data/x", "dev", 2.0),
        ("a:b:c", "d", 0.01),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("toolace", "'toolace' is not name:split:ratio"),
        ("toolace:1", "'toolace:1' is not name:split:ratio"),
        ("toolace::1", "'toolace::1' is not name:split:ratio"),
        (":train:1", "':train:1' is not name:split:ratio"),
        ("toolace:train:", "'toolace:train:' is not name:split:ratio"),
        ("toolace:train:many", "the ratio 'many' is no number"),
        ("toolace:train:1,5", "the ratio '1,5' is no number"),
        ("toolace:train:0", "the ratio 0 must be above 0; remove the line"),
        ("toolace:train:-1", "the ratio -1 must be above 0"),
        ("toolace:train:inf", "the ratio inf must be above 0"),
        ("toolace:train:nan", "the ratio nan must be above 0"),
        ("toolace:train:1e-999", "the ratio 1e-999 must be above 0"),
        ("toolace:train:1e999", "the ratio 1e999 must be above 0"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, f"# a comment\ntoolace:train:1\n\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        read_mixture(path)
    assert str(caught.value).startswith(f"{path}:4: {message}")


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.conf does not exist; correct its path"):
        read_mixture(tmp_path / "absent.conf")
    path = written(tmp_path, "# nothing\n\n")
    with pytest.raises(ConfigError, match="holds no name:split:ratio line"):
        read_mixture(path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "stage.conf"
    path.write_bytes(b"toolace:train:1\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"stage\.conf is not UTF-8: .*save it as UTF-8"):
        read_mixture(path)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert lines(written(tmp_path, "\ufefftoolace:train:1")) == [("toolace", "train", 1.0)]


def test_own_sources_come_before_registered_ones(tmp_path: Path) -> None:
    sources = [{"name": "mine", "path": "mine.json"}, {"name": "toolace", "path": "copy.json"}]
    path = written(tmp_path, "mine:train:1\ntoolace:train:2\nhermes:func_calling:1\n")
    made = with_mixture_file(config(sources=sources, mixture_file=path))
    assert [(each.name, str(each.path), each.corpus) for each in made.sources] == [
        ("mine", "mine.json", ""),
        ("toolace", "copy.json", ""),
        ("hermes", "None", "hermes"),
    ]
    without = config(sources=sources)
    assert with_mixture_file(without) is without


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("toolase:train:1", CorpusError, ["unknown corpus 'toolase'", "'toolace'", "known corpora"]),
        ("toolace:dev:1", ConfigError, ["stage.conf", "toolace has no split 'dev'", "train"]),
        ("toolbench:train:1", ConfigError, ["stage.conf", "not on the hub", "give the path of a copy"]),
        ("mine:train:1\nmine:train:2", ConfigError, ["stage.conf", "'mine'", "twice"]),
    ],
)
def test_names_that_cannot_be_meant(tmp_path: Path, line: str, error: type[Exception], words: list[str]) -> None:
    sources = [{"name": "mine", "path": "mine.json"}]
    with pytest.raises(error) as caught:
        with_mixture_file(config(sources=sources, mixture_file=written(tmp_path, line)))
    for word in words:
        assert word in str(caught.value)

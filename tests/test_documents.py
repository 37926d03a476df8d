"""The documents say what is there: paths, commands, keys and figures; and the two READMEs say the same."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from octupus.agent.generate.config import GenerateConfig
from octupus.agent.judge.config import EvaluateToolbenchConfig
from octupus.agent.retrieve.config import RetrieverConfig
from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.stream.config import AgentAppConfig
from octupus.agent.tools.config import ToolSourceConfig
from octupus.cli import main
from octupus.clusters.config import ClusterConfig
from octupus.config import resolve
from octupus.data.config import PrepareConfig
from octupus.evaluate.bfcl.config import EvaluateBfclConfig
from octupus.serve.config import ServeConfig
from octupus.train.config import StageConfig, VocabularyConfig
from octupus.train.model.merge_config import MergeConfig

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh.md")
GUIDES = (*READMES, "docs/clusters.md")
EXPLAINING = (*GUIDES, "docs/training.md", "docs/serving.md", "docs/scaling.md", "docs/agent.md")
"""Documents that name keys of configurations."""
CONFIGURATIONS: tuple[type[BaseModel], ...] = (
    *(StageConfig, ServeConfig, PrepareConfig, VocabularyConfig),
    *(MergeConfig, EvaluateBfclConfig, ClusterConfig),
    *(AnnotateConfig, AgentAppConfig, GenerateConfig, EvaluateToolbenchConfig, RetrieverConfig, ToolSourceConfig),
)

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
PATH = re.compile(r"(?<![\w/.<>-])(?:jobs|clusters|serve_configs|docs|octupus|tests|benchmarks)/[\w./-]*")
SUBCOMMAND = re.compile(r"(?<![\w./-])octupus ([a-z][a-z-]*)(.*)")
KEY = re.compile(r"(?<![\w./])(?:--)?([a-z_]+(?:\.\w+)+)")
OF_A_JOB = re.compile(r"jobs/\w+\.py(.*)|(--job\..*)")
"""What stands behind a job's script; or behind a file that is rendered, with a prefix."""
FLAG = re.compile(r"--(?:job\.)?([a-z][\w.]*)")
FILE = re.compile(r"\.(?:env|html|json|jsonl|md|py|yaml)$")


@cache
def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def prose(document: str) -> str:
    return FENCED.sub("", text_of(document))


def commands(document: str) -> list[str]:
    """The lines of all fenced and indented blocks in order, without comments."""
    blocks = FENCED.sub(lambda fenced: re.sub("^", "    ", fenced[2], flags=re.MULTILINE), text_of(document))
    code = [line[4:] for line in blocks.splitlines() if line.startswith("    ") and line.strip()]
    return [re.sub(r"\s+# .*", "", line) for line in code]


def spans(text: str) -> list[str]:
    """Code in running text; a line may end in it."""
    return [" ".join(span.split()) for span in SPAN.findall(FENCED.sub("", text))]


def code(document: str) -> list[str]:
    """Blocks by line, and spans."""
    return [*commands(document), *spans(text_of(document))]


def sections(document: str) -> list[str]:
    return re.split(r"^## ", text_of(document), flags=re.MULTILINE)


def tables(document: str) -> list[list[str]]:
    """Every row of every table, as its numbers."""
    rows = [line for line in prose(document).splitlines() if line.startswith("|")]
    return [re.findall(r"\d+(?:[.,]\d+)*", row) for row in rows]


def test_both_readmes_give_the_same_commands() -> None:
    english, chinese = map(commands, READMES)
    assert len(english) > 30
    assert chinese == english


def test_both_readmes_have_the_same_numbers() -> None:
    english, chinese = map(tables, READMES)
    assert chinese == english
    for ours, theirs in zip(*map(sections, READMES), strict=True):
        heading = ours.partition("\n")[0]
        assert Counter(re.findall(r"\d+", theirs)) == Counter(re.findall(r"\d+", ours)), heading


def test_both_readmes_name_the_same_things() -> None:
    """Code in the running text, section by section; the order is each language's own."""
    for ours, theirs in zip(*map(sections, READMES), strict=True):
        assert Counter(spans(theirs)) == Counter(spans(ours)), ours.partition("\n")[0]


def test_each_readme_leads_to_the_other() -> None:
    assert text_of("README.zh.md").startswith("[English](README.md)\n")
    assert "(README.zh.md)" in text_of("README.md")


@pytest.mark.parametrize("document", GUIDES)
def test_every_path_that_is_named_exists(document: str) -> None:
    named = {path.rstrip(".") for part in code(document) for path in PATH.findall(part)}
    assert len(named) > 10
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


@pytest.mark.parametrize("document", GUIDES)
def test_every_subcommand_and_flag_exists(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    named = [found.groups() for part in code(document) for found in SUBCOMMAND.finditer(part)]
    assert len(named) > 5
    for name, rest in named:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        help_ = capsys.readouterr().out
        assert end.value.code == 0, f"octupus {name}"
        for flag in re.findall(r"(?<=\s)--[a-z][\w-]*(?![\w.-])", rest):
            # What stands behind `evaluate bfcl` are keys, at any depth.
            assert flag in help_ or (name == "evaluate" and is_key(flag[2:])), f"octupus {name} {flag}"


@pytest.mark.parametrize("document", EXPLAINING)
def test_every_key_that_is_named_exists(document: str) -> None:
    """A dotted key whose first word is a key of a configuration."""
    named = {key for part in code(document) for key in KEY.findall(part) if not FILE.search(key)}
    flags = {flag for part in code(document) for text in OF_A_JOB.finditer(part) for flag in FLAG.findall(text[0])}
    starts = {name for each in CONFIGURATIONS for name in each.model_fields}
    ours = {key for key in named if key.partition(".")[0] in starts}
    assert ours or document in READMES
    assert not [key for key in sorted(ours | flags) if not is_key(key)]


def is_key(key: str) -> bool:
    return any(_leads_somewhere(configuration, key.split(".")) for configuration in CONFIGURATIONS)


def _leads_somewhere(annotation: Any, words: Sequence[str]) -> bool:
    """Whether the words are a path in a value of that type: names of fields, and indices of lists."""
    if not words:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(words[0])
        return field is not None and _leads_somewhere(field.annotation, words[1:])
    if get_origin(annotation) in (list, tuple):
        return words[0].isdigit() and any(_leads_somewhere(inner, words[1:]) for inner in get_args(annotation))
    if get_origin(annotation) is dict:
        return True
    return any(_leads_somewhere(inner, words) for inner in get_args(annotation))


def test_the_endpoint_of_the_guide_is_one() -> None:
    blocks = [block for kind, block in FENCED.findall(text_of("docs/clusters.md")) if kind == "yaml"]
    assert blocks
    for block in blocks:
        for application in yaml.safe_load(block)["applications"]:
            resolve(ServeConfig, application["args"], "docs/clusters.md")


def test_the_guide_has_the_figures_of_octupus_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands as they are written there; DIRECTORY is Qwen2.5-7B's."""
    sizes = {"hidden_size": 3584, "intermediate_size": 18944, "vocab_size": 152064}
    layers = {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2", **sizes, **layers}))
    table = columns_of_stages()
    lines = [line for line in commands("docs/clusters.md") if line.startswith("octupus plan ")]
    assert len(lines) == len(table) == 2
    for line, column in zip(lines, table, strict=True):
        for gpus, wanted in (("16", column["hours on 16 GPUs"]), ("8", column["hours on 8 GPUs"])):
            words = line.replace("DIRECTORY", str(tmp_path)).replace("--gpus 16", f"--gpus {gpus}").split()[1:]
            assert main(words) == 0
            shown = capsys.readouterr().out
            assert re.search(rf"^hours +{re.escape(wanted)},", shown, re.MULTILINE), shown
            if gpus == "16":
                assert re.search(rf"^steps +{column['steps']}$", shown, re.MULTILINE), shown
                assert re.search(rf"all, during .*│ +{re.escape(column['memory of a worker'])} │", shown), shown


def columns_of_stages() -> list[dict[str, str]]:
    """The columns of the guide's first table: a row's name, up to its comma, with the first number of the cell."""
    rows = [line.strip("|").split("|") for line in text_of("docs/clusters.md").splitlines() if line.startswith("|")]
    return [{row[0].strip().partition(",")[0]: row[at].split()[0] for row in rows[2:7]} for at in (1, 2)]

"""The line, end to end on one machine: corpora, base model, vocabulary, data, two stages, serving, questions, report.

Every step is the function that the job of the same name calls, with the configuration in jobs/quickstart/, whose
paths are moved into the chosen directory. A step whose result is there is not repeated.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from rich.console import Console

from octupus import versions
from octupus.config import read_yaml, resolve
from octupus.conversation import Conversation
from octupus.data.config import MixtureEntry, PrepareConfig, SourceConfig
from octupus.data.manifest import Manifest
from octupus.data.sources.detect import ROWS_LOOKED_AT, detect_format
from octupus.data.sources.reader import read_rows
from octupus.data.sources.registry import FORMATS
from octupus.errors import ConfigError, CorpusError
from octupus.evaluate.held_out import HeldOutRequest, requests_of
from octupus.quickstart.config import SmallModelConfig
from octupus.ray_session import ray_session
from octupus.serve.ports import port_advice, port_in_use
from octupus.telemetry import configure_logging, console, event, write_json
from octupus.train.config import StageConfig, VocabularyConfig
from octupus.train.launch import TrainResult

logger = logging.getLogger("octupus.quickstart")

JOBS = Path(__file__).parents[2] / "jobs" / "quickstart"
WRITTEN_FOR = "/tmp/octupus/quickstart"
"""Where the files in jobs/quickstart/ put things; they need an absolute place because a Ray job runs in a copy."""
STAGES = ("stg1", "stg2")
MODEL_ID = "octupus"
_REAL_TOKEN_BUDGET = 2048
_REAL_HELD_OUT_ROWS = 40
_REAL_EPOCHS = 1

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Options:
    """What the command line chooses."""

    directory: Path
    corpora: tuple[Path, ...] = ()
    corpus_format: str = "auto"
    on_broken_line: Literal["stop", "drop"] = "stop"
    requests: int = 100
    port: int = 8000
    keep_serving: bool = False


@dataclass
class Outcome:
    """What the steps made; the report is drawn from it."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    stages: dict[str, TrainResult] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def quickstart(options: Options) -> int:
    """Run the line. Returns 0, or 1 when a request failed or a constrained call was invalid."""
    configure_logging()
    versions.warn_of_mismatches()
    started = time.monotonic()
    plan = Plan.of(options)
    if port_in_use(options.port):
        raise ConfigError(port_advice(options.port))
    outcome = Outcome()
    with ray_session():  # one for all steps: starting it takes seconds
        _train(plan, outcome)
        requests = _requests(plan, options.requests)

        # Ray Serve and vLLM's interface take seconds to import, which nobody should wait for before the first step.
        from octupus.quickstart.summary import Summary, ask, curl_line
        from octupus.serve.local_endpoint import endpoint

        with ExitStack() as stack:
            with _step(outcome, "start the endpoint"):
                base_url = stack.enter_context(endpoint(plan.export, MODEL_ID, options.port))
            with _step(outcome, "ask held-out requests"):
                asked = ask(base_url, MODEL_ID, requests)
            run_locations = {name: stage.run.location for name, stage in plan.stages.items()}
            run_s = time.monotonic() - started
            summary = Summary(asked, outcome.manifests, outcome.stages, run_locations, outcome.seconds, run_s)
            summary.write(plan.root)
            summary.print(Console(width=None if sys.stdout.isatty() else 100))
            event(logger, "report_written", page=plan.root / "report.html", values=plan.root / "report.json")
            if options.keep_serving:
                print(curl_line(base_url, MODEL_ID, requests[0]), flush=True)
                _wait()
    return 0 if summary.passed else 1


@dataclass(frozen=True)
class Plan:
    """The resolved configuration of every step."""

    root: Path
    small_model: SmallModelConfig
    vocabulary: VocabularyConfig
    data: dict[str, PrepareConfig]
    stages: dict[str, StageConfig]
    export: Path
    """The model that is served: the last stage's export."""
    real: bool

    @classmethod
    def of(cls, options: Options) -> Plan:
        """The steps' files, moved into the chosen directory, with real corpora in place of the synthetic ones."""
        root = options.directory.absolute()
        corpora = _checked(options.corpora, options)
        _claim(root, corpora)
        small_model = _configured(SmallModelConfig, "make_small_model", root)
        data = {name: _configured(PrepareConfig, f"prepare_{name}", root) for name in STAGES}
        stages = {name: _configured(StageConfig, f"train_{name}", root) for name in STAGES}
        export = stages[STAGES[-1]].export
        if export is None:
            raise ConfigError(f"{JOBS}/train_{STAGES[-1]}.yaml names no export, so there would be nothing to serve")
        if corpora:
            small_model = small_model.model_copy(update={"text": corpora})
            data = _with_real_corpora(data, corpora, options)
            stages = {name: _by_epochs(stage) for name, stage in stages.items()}
        return cls(
            root=root,
            small_model=small_model,
            vocabulary=_configured(VocabularyConfig, "edit_tokenizer", root),
            data=data,
            stages=stages,
            export=export,
            real=bool(corpora),
        )


def _train(plan: Plan, outcome: Outcome) -> None:
    from octupus.data.pipeline import prepare
    from octupus.quickstart.small_model import make_small_model
    from octupus.train.launch import train
    from octupus.train.model.vocabulary import edit_vocabulary

    with _step(outcome, "make a small model"):
        make_small_model(plan.small_model)
    with _step(outcome, "edit its vocabulary"):
        edit_vocabulary(plan.vocabulary)
    for name, data in plan.data.items():
        with _step(outcome, f"prepare data of {name}"):
            outcome.manifests[name] = prepare(data)
    for name, stage in plan.stages.items():
        with _step(outcome, f"train {name}"):
            outcome.stages[name] = train(stage)


def _requests(plan: Plan, count: int) -> list[HeldOutRequest]:
    if not plan.real:
        from octupus.quickstart.synthetic import held_out_requests

        return held_out_requests(plan.small_model.corpora.seed, count)
    import pyarrow.parquet

    from octupus.data.pipeline import HELD_OUT_FILE

    rows = pyarrow.parquet.read_table(plan.data[STAGES[-1]].output / HELD_OUT_FILE).to_pylist()
    requests = requests_of([Conversation.from_row(row) for row in rows], count)
    if not requests:
        raise CorpusError("none of the corpora holds conversations with tools, so there is nothing to ask the model")
    return requests


def _with_real_corpora(
    data: dict[str, PrepareConfig], corpora: Sequence[Path], options: Options
) -> dict[str, PrepareConfig]:
    """Stage 1 takes the conversations without tools, stage 2 all; both hold out the same rows."""
    names = [path.stem for path in corpora]
    sources = tuple(
        SourceConfig(
            name=path.stem if names.count(path.stem) == 1 else str(path), path=path, format=options.corpus_format
        )
        for path in corpora
    )
    changed: dict[str, Any] = {
        "sources": sources,
        "token_budget": _REAL_TOKEN_BUDGET,
        "held_out_rows": _REAL_HELD_OUT_ROWS,
        "on_broken_line": options.on_broken_line,
    }
    chat = tuple(MixtureEntry(source=source.name, kinds=("chat",)) for source in sources)
    mixtures = dict(zip(STAGES, (chat, ()), strict=True))
    return {name: config.model_copy(update=changed | {"mixture": mixtures[name]}) for name, config in data.items()}


def _by_epochs(stage: StageConfig) -> StageConfig:
    """Real files are of any size, so a stage lasts some epochs instead of the synthetic corpora's steps."""
    data = stage.data.model_copy(
        update={"steps": None, "epochs": _REAL_EPOCHS, "packs_per_step": stage.data.packs_per_step // 2}
    )
    return stage.model_copy(update={"data": data})


def _checked(corpora: Sequence[Path], options: Options) -> tuple[Path, ...]:
    """Refuse what cannot be read at all, before minutes are spent on a model for it."""
    if options.corpus_format not in ("auto", *FORMATS):
        raise ConfigError(f"unknown format {options.corpus_format!r}; known formats: auto, {', '.join(FORMATS)}")
    for path in corpora:
        if not path.is_file():
            raise CorpusError(f"corpus {path} does not exist; give the path of a .json, .jsonl or .parquet file")
        if options.corpus_format == "auto":
            first = islice(read_rows(path, options.on_broken_line), ROWS_LOOKED_AT)
            detect_format([row.value for row in first], path)
    return tuple(path.absolute() for path in corpora)


def _claim(root: Path, corpora: Sequence[Path]) -> None:
    """Refuse a directory that holds a line made from other corpora, which reuse would mix up."""
    record = root / "quickstart.json"
    wanted = {"corpora": [str(path) for path in corpora]}
    if record.is_file():
        found = read_yaml(record)  # JSON is YAML
        if found != wanted:
            raise ConfigError(
                f"{root} holds a quickstart of {', '.join(found['corpora']) or 'the synthetic corpora'}; "
                "choose another --directory, or remove it"
            )
    write_json(record, wanted)


def _configured(model: type[Model], name: str, root: Path) -> Model:
    file = JOBS / f"{name}.yaml"
    if not file.is_file():
        raise ConfigError(f"{file} is missing; run the quickstart from a checkout of octupus")
    return resolve(model, _moved(read_yaml(file), root), str(file))


def _moved(value: Any, root: Path) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, root) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, root) for item in value]
    if isinstance(value, str) and value.startswith(WRITTEN_FOR):
        return str(root) + value.removeprefix(WRITTEN_FOR)
    return value


@contextmanager
def _step(outcome: Outcome, name: str) -> Iterator[None]:
    started = time.monotonic()
    console().rule(f"[bold]{name}", align="left", style="dim")
    yield
    outcome.seconds[name] = time.monotonic() - started
    event(logger, "step_done", step=name, seconds=round(outcome.seconds[name], 1))


def _wait() -> None:
    """Until Ctrl-C."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console().print("stopping the endpoint")

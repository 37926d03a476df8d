"""Answer files to a file of conversations, each executed once more in an environment like the one it was solved in."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from octupus.agent.environment import Environment
from octupus.agent.generate.config import TracesConfig
from octupus.agent.generate.from_traces import TraceCounts, conversations
from octupus.agent.generate.reasons import TraceDrop, TraceReason
from octupus.agent.generate.tasks import Task
from octupus.agent.generate.written import openai_row
from octupus.agent.solve.answer_format import read_answer
from octupus.agent.solve.finish import FINISH
from octupus.agent.solve.tree import Solution
from octupus.agent.tools.sources import open_toolbox
from octupus.conversation import json_text
from octupus.errors import ConfigError, CorpusError
from octupus.telemetry import event

logger = logging.getLogger(__name__)

TRACES = "traces.jsonl"


async def write_traces(config: TracesConfig, output: Path) -> dict[str, Any]:
    """Write the conversations of the answers that hold; gives what became of each answer. Raises OctupusError."""
    if not config.answers.is_dir():
        raise ConfigError(f"traces.answers {config.answers} is no directory; give the one that annotate wrote")
    tasks = _read_tasks(config.tasks) if config.tasks is not None else {}
    counts = TraceCounts()
    partial = output / f".{TRACES}.{os.getpid()}"
    async with await open_toolbox(config.tools) as toolbox:

        async def open_environment(solution: Solution) -> Environment | None:
            names = [tool.function.name for tool in solution.tools if tool.function.name != FINISH]
            known = tasks.get(solution.query_id)
            seed = known.seed if known is not None else None if tasks else solution.settings.get("seed")
            if not isinstance(seed, int) or any(name not in toolbox for name in names):
                return None
            return await Environment.open(toolbox, seed, names)

        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            async for made in conversations(
                _solutions(config.answers), open_environment, counts, tasks, config.keep_system_prompt
            ):
                stream.write(json_text(openai_row(made)) + "\n")
    partial.replace(output / TRACES)
    event(logger, "traces.finished", read=counts.read, kept=counts.kept)
    return {
        "read": counts.read,
        "kept": counts.kept,
        "dropped": dict(sorted(counts.dropped.items())),
        "examples": {reason.value: detail for reason, detail in sorted(counts.examples.items())},
    }


def _solutions(directory: Path) -> Iterator[Solution | TraceDrop]:
    for path in sorted(directory.glob("*.json")):
        try:
            yield read_answer(path)
        except CorpusError as error:
            yield TraceDrop(TraceReason.UNREADABLE, str(error))


def _read_tasks(path: Path) -> dict[str, Task]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"traces.tasks {path} cannot be read: {error}") from error
    tasks: dict[str, Task] = {}
    for number, line in enumerate(lines, start=1):
        try:
            task = Task.model_validate_json(line)
        except ValidationError as error:
            raise CorpusError(f"{path}:{number} is no task: {error}") from error
        tasks[task.id] = task
    return tasks

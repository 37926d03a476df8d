"""One run: the tools opened, the conversations written as they come, and the summary in the end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.library import Library
from octupus.agent.generate.phrases import PHRASES, KeptPhrases
from octupus.agent.generate.produce import Producer
from octupus.agent.generate.scenario import Scenario
from octupus.agent.generate.scenarios import SCENARIOS
from octupus.agent.generate.simulate import Phraser
from octupus.agent.generate.tasks import task
from octupus.agent.generate.traces_run import write_traces
from octupus.agent.generate.written import openai_row
from octupus.conversation import json_text
from octupus.endpoint.client import EndpointClient
from octupus.errors import ConfigError
from octupus.telemetry import event, progress, write_json, write_run_record

logger = logging.getLogger(__name__)

CONVERSATIONS, TASKS, GOLDEN, SUMMARY = "conversations.jsonl", "tasks.jsonl", "golden.jsonl", "summary.json"
REPORT_EVERY_S = 30.0


def generate(config: GenerateConfig) -> Path:
    """Write conversations and tasks; gives the path of the summary. Raises OctupusError."""
    _refuse_foreign(config.output)
    scenarios = [each for name, each in SCENARIOS.items() if not config.scenarios or name in config.scenarios]
    return asyncio.run(_generate(config, scenarios))


async def _generate(config: GenerateConfig, scenarios: Sequence[Scenario]) -> Path:
    async with await Library.open(config.modules, config.limits) as library:
        path = await write(config, library, scenarios)
    if config.traces is not None:
        summary = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, {**summary, "traces": await write_traces(config.traces, config.output)})
    return path


async def write(config: GenerateConfig, library: Library, scenarios: Sequence[Scenario]) -> Path:
    """Write conversations and tasks over tools that are open; gives the path of the summary."""
    usable = [each for each in scenarios if set(each.modules) <= set(library.modules)]
    if not usable:
        raise ConfigError(
            f"none of the {len(scenarios)} scenarios does with the modules {', '.join(library.modules)}; name more"
        )
    config.output.mkdir(parents=True, exist_ok=True)
    (config.output / SUMMARY).unlink(missing_ok=True)
    write_run_record(config.output, config)
    started = time.monotonic()
    event(logger, "generate.started", count=config.count, scenarios=len(usable), modules=len(library.modules))
    async with _phraser(config) as (phraser, phrases):
        producer = Producer(config, library, usable, phraser)
        tallies = await _write_files(config, producer)
    summary = _summary(config, producer, tallies, phraser, phrases, time.monotonic() - started)
    write_json(config.output / SUMMARY, summary)
    counts = producer.counts
    event(
        logger,
        "generate.finished",
        conversations=counts.kept,
        tasks=summary["tasks"],
        tried=counts.tried,
        unfilled=sum(counts.unfilled.values()),
        seconds=summary["seconds"],
    )
    return config.output / SUMMARY


async def _write_files(config: GenerateConfig, producer: Producer) -> dict[str, Counter[str]]:
    tallies: dict[str, Counter[str]] = {
        name: Counter() for name in ("shapes", "kinds", "languages", "scenarios", "tasks")
    }
    partial = {name: config.output / f".{name}.{os.getpid()}" for name in (CONVERSATIONS, TASKS, GOLDEN)}
    reported = time.monotonic()
    with (
        progress("generate", config.count) as bar,
        partial[CONVERSATIONS].open("w", encoding="utf-8", newline="\n") as conversations,
        partial[TASKS].open("w", encoding="utf-8", newline="\n") as tasks,
        partial[GOLDEN].open("w", encoding="utf-8", newline="\n") as golden,
    ):
        async for made in producer.produce():
            conversation, blueprint = made.conversation, made.executed.blueprint
            conversations.write(json_text(openai_row(conversation)) + "\n")
            for_solvers = task(made.executed, conversation.tools)
            if for_solvers is not None:
                tasks.write(for_solvers.model_dump_json() + "\n")
                golden.write(for_solvers.for_judge().model_dump_json() + "\n")
                tallies["tasks"][blueprint.shape] += 1
            tallies["shapes"][blueprint.shape] += 1
            tallies["kinds"][conversation.kind] += 1
            tallies["languages"][blueprint.language] += 1
            tallies["scenarios"].update(blueprint.scenarios)
            bar.update(0, advance=1)  # type: ignore[arg-type]
            if time.monotonic() - reported > REPORT_EVERY_S:
                reported = time.monotonic()
                event(logger, "generate.progress", kept=producer.counts.kept, tried=producer.counts.tried)
    for name, path in partial.items():
        path.replace(config.output / name)
    return tallies


def _summary(
    config: GenerateConfig,
    producer: Producer,
    tallies: dict[str, Counter[str]],
    phraser: Phraser | None,
    phrases: KeptPhrases | None,
    seconds: float,
) -> dict[str, Any]:
    counts = producer.counts
    summary: dict[str, Any] = {
        "conversations": counts.kept,
        "asked_for": config.count,
        "unfilled": dict(sorted(counts.unfilled.items())),
        "blueprints": {
            "tried": counts.tried,
            "kept": counts.kept,
            "dropped": dict(sorted(counts.dropped.items())),
            "examples": {reason.value: detail for reason, detail in sorted(counts.examples.items())},
        },
        "tasks": sum(tallies["tasks"].values()),
        **{f"by_{name}": dict(sorted(tally.items())) for name, tally in tallies.items()},
        "seconds": round(seconds, 1),
    }
    if phraser is not None and phrases is not None:
        summary["phrasing"] = {
            "rewritten": phraser.rewritten,
            "left_as_templates": dict(sorted(phraser.left.items())),
            "requests": phrases.asked,
            "tokens_in": phrases.tokens_in,
            "tokens_out": phrases.tokens_out,
        }
    return summary


@asynccontextmanager
async def _phraser(config: GenerateConfig) -> AsyncIterator[tuple[Phraser | None, KeptPhrases | None]]:
    chosen = config.phrase_with
    if chosen is None:
        yield None, None
        return
    client = EndpointClient(
        chosen.model, chosen.sampling, chosen.endpoint, chosen.endpoint.api_key("phrase_with.endpoint")
    )
    try:
        settings = [chosen.model, chosen.sampling.model_dump(mode="json"), chosen.endpoint.extra_body]
        phrases = KeptPhrases(config.output / PHRASES, client, settings, config.concurrency)
        yield Phraser(phrases.ask, config.seed), phrases
    finally:
        await client.close()


def _refuse_foreign(output: Path) -> None:
    """Only a directory of this job is written over."""
    if output.is_dir() and any(output.iterdir()) and not (output / "run.json").is_file():
        raise ConfigError(f"{output} holds files that are not this job's; choose another output")

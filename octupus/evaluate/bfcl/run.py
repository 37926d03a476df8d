"""One run of BFCL from end to end: check the endpoint, generate, distrust, score, publish."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.categories import CATEGORIES, grouped, selected
from octupus.evaluate.bfcl.config import EvaluateBfclConfig
from octupus.evaluate.bfcl.environment import environment, harness_versions
from octupus.evaluate.bfcl.outcomes import read_outcomes
from octupus.evaluate.bfcl.preflight import Endpoint, check_endpoint, headers_of
from octupus.evaluate.bfcl.published import Published, published
from octupus.evaluate.bfcl.report import write_report
from octupus.evaluate.bfcl.results import Faults, Result, discard_failed, faults_of, read_results
from octupus.evaluate.bfcl.run_directory import RunDirectory
from octupus.evaluate.bfcl.watching import Patience, run_harness, watch_harness
from octupus.telemetry import event, write_json

logger = logging.getLogger("octupus.evaluate.bfcl")

BENCHMARK = "BFCL v4"
SHOWN_FAULTS = 5


def evaluate_bfcl(config: EvaluateBfclConfig) -> Published:
    """Run what is not there yet, and publish the scores in the run's directory.

    Raises EvaluationError when the endpoint cannot be measured, the directory is another run's, or the scores may not
    be trusted; what was answered is kept, and the same command goes on from there.
    """
    # First of all and before anything is written: most runs that fail, fail here.
    endpoint = check_endpoint(config.endpoint, config.api, config.constrained)
    directory = RunDirectory(config.output)
    wanted = _wanted(config, read_results(directory.root))
    python = environment(config.environment, with_vectors="memory_vector" in wanted)
    measured = _measured(config, endpoint, python)
    directory.claim(measured)
    with directory.alone():
        directory.withdraw()
        seconds = _generate(config, endpoint, python, directory, wanted)
        results = read_results(directory.root)
        faults = faults_of(results, wanted)
        _refuse(config, faults, directory)
        _score(config, endpoint, python, directory, list(wanted))
        outcomes = read_outcomes(directory.root, wanted, results)
        run = published(measured, outcomes, results, faults, seconds)
        run.write(directory.scores)
        write_report(directory.report, run, outcomes, results)
    event(logger, "bfcl_published", overall=run.overall.value, report=directory.report)
    return run


def _wanted(config: EvaluateBfclConfig, there: Mapping[str, Result]) -> dict[str, Sequence[str] | None]:
    """Ids by category, None for all of it; what an earlier start was asked for belongs to the run, too."""
    if config.ids:
        return dict(grouped(dict.fromkeys([*there, *config.ids])))
    earlier = {result.category for result in there.values()}
    return dict.fromkeys(name for name in CATEGORIES if name in earlier or name in selected(config.categories))


def _measured(config: EvaluateBfclConfig, endpoint: Endpoint, python: Path) -> dict[str, Any]:
    versions = harness_versions(python)
    return {
        "benchmark": BENCHMARK,
        "harness": f"bfcl-eval {versions.pop('bfcl-eval')}",
        "harness_versions": versions,
        "model": endpoint.model,
        "dialect": endpoint.card.get("dialect"),
        "served_by": endpoint.card.get("owned_by"),
        "max_model_len": endpoint.card.get("max_model_len"),
        # Where a model directory is served for the run, the port says nothing.
        "endpoint": str(config.serve) if config.serve is not None else endpoint.base_url,
        "api": config.api,
        "constrained": config.constrained,
        "temperature": config.temperature,
        "items": "chosen" if config.ids else "categories",
    }


def _generate(
    config: EvaluateBfclConfig,
    endpoint: Endpoint,
    python: Path,
    directory: RunDirectory,
    wanted: Mapping[str, Sequence[str] | None],
) -> float:
    """Ask for what has no answer yet; seconds of asking, those of earlier starts with it."""
    discarded = discard_failed(directory.root)
    if discarded:
        event(logger, "failed_items_are_asked_again", items=discarded)
    there = read_results(directory.root)
    left = len(faults_of(there, wanted).missing)
    event(logger, "bfcl_run", model=endpoint.model, url=endpoint.base_url, items=left, answered_before=len(there))
    clock = directory.path / "seconds.json"
    before = float(json.loads(clock.read_text())) if clock.is_file() else 0.0
    if not left:
        return before
    job = _job("generate", config, endpoint, wanted)
    patience = Patience(config.give_up_after, config.stalled_after_s)
    watch_harness(
        python,
        job,
        _environment(config, endpoint, directory),
        directory.log,
        left,
        patience,
        lambda seconds: write_json(clock, before + seconds),
    )
    return float(json.loads(clock.read_text()))


def _refuse(config: EvaluateBfclConfig, faults: Faults, directory: RunDirectory) -> None:
    """Raise EvaluationError while something other than the model's answers would be scored."""
    reasons = [f"{len(faults.missing)} items have no result"] * bool(faults.missing)
    if faults.failed:
        reasons.append(f"{len(faults.failed)} items failed in inference: {_some(faults.failed)}")
    if faults.unreadable and config.constrained:
        reasons.append(
            f"{len(faults.unreadable)} items have calls whose arguments are no JSON, which the constraint rules out: "
            f"{_some(faults.unreadable)}"
        )
    if reasons and not config.allow_errors:
        raise EvaluationError(
            f"no score is published: {'; '.join(reasons)}. Run the same command again to ask for them again, or say "
            f"--allow-errors to have them scored as the harness does (its log: {directory.log})"
        )


def _some(faults: Mapping[str, str]) -> str:
    shown = [f"{item_id}: {text[:160]}" for item_id, text in list(faults.items())[:SHOWN_FAULTS]]
    return "; ".join([*shown, *(["..."] * (len(faults) > SHOWN_FAULTS))])


def _score(
    config: EvaluateBfclConfig, endpoint: Endpoint, python: Path, directory: RunDirectory, categories: Sequence[str]
) -> None:
    # The harness merges what it finds there.
    shutil.rmtree(directory.root / "score", ignore_errors=True)
    job = _job("evaluate", config, endpoint, dict.fromkeys(categories))
    status = run_harness(python, job, _environment(config, endpoint, directory), directory.log)
    if status != 0:
        # Of a run of a single request it fails in its table of latencies, with all verdicts written. Where verdicts
        # are missing, reading them says so.
        event(logger, "harness_evaluate_failed", status=status, log=directory.log)


def _job(
    action: str, config: EvaluateBfclConfig, endpoint: Endpoint, wanted: Mapping[str, Sequence[str] | None]
) -> dict[str, Any]:
    return {
        "action": action,
        "model": endpoint.model,
        "api": config.api,
        "categories": list(wanted),
        "ids": {name: list(ids) for name, ids in wanted.items() if ids is not None},
        "threads": config.threads,
        "temperature": config.temperature,
        "timeout_s": config.endpoint.timeout_s,
        "retries": config.endpoint.retries,
    }


def _environment(config: EvaluateBfclConfig, endpoint: Endpoint, directory: RunDirectory) -> dict[str, str]:
    """Environment of the harness, which reads it before it reads anything else."""
    if not directory.root.is_dir():
        directory.root.mkdir(parents=True)
    if (directory.root / ".env").exists():
        raise EvaluationError(f"{directory.root / '.env'} would override the endpoint in the harness; remove it")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return kept | {
        "BFCL_PROJECT_ROOT": str(directory.root),
        "OPENAI_BASE_URL": endpoint.base_url,
        "OPENAI_API_KEY": os.environ.get(config.endpoint.api_key_variable) or "none",
        "OPENAI_DEFAULT_HEADERS": json.dumps(headers_of(config.constrained)),
        "PYTHONUNBUFFERED": "1",
    }

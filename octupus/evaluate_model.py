"""`octupus evaluate`: a run of BFCL, of an endpoint or of a model served for the run; held-out calls; comparisons."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from octupus.config import load
from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.compare import compare
from octupus.evaluate.bfcl.config import EvaluateBfclConfig
from octupus.evaluate.bfcl.published import read_published
from octupus.evaluate.bfcl.run import evaluate_bfcl
from octupus.evaluate.bfcl.tables import comparison_table, scores_table
from octupus.evaluate.calls.config import EvaluateCallsConfig
from octupus.evaluate.calls.run import evaluate_calls
from octupus.telemetry import configure_logging

MODEL_ID = "octupus"
"""Name under which a model directory is served for the run."""


def run_bfcl(config: EvaluateBfclConfig) -> str:
    """Measure, print the table, and say where the report is. Raises EvaluationError."""
    with ExitStack() as stack:
        if config.serve is not None:
            from octupus.ray_session import ray_session
            from octupus.serve.local_endpoint import endpoint

            stack.enter_context(ray_session())
            base_url = stack.enter_context(endpoint(config.serve, MODEL_ID, config.port))
            served = config.endpoint.model_copy(update={"base_url": base_url, "model": MODEL_ID})
            config = config.model_copy(update={"endpoint": served})
        run = evaluate_bfcl(config)
    Console().print(scores_table(run))
    return f"scores: {config.output / 'scores.json'}; report: {config.output / 'report.html'}"


def bfcl_command(arguments: Sequence[str]) -> int:
    """`octupus evaluate bfcl`. Raises EvaluationError."""
    config = load(EvaluateBfclConfig, arguments=arguments)
    configure_logging()
    print(run_bfcl(config))
    return 0


def calls_command(arguments: Sequence[str]) -> int:
    """`octupus evaluate calls`. Raises OctupusError."""
    config = load(EvaluateCallsConfig, arguments=arguments)
    configure_logging()
    print(asyncio.run(evaluate_calls(config)))
    return 0


def compare_command(arguments: Sequence[str]) -> int:
    """`octupus evaluate compare`: what the second run gained and lost. Raises EvaluationError."""
    if len(arguments) != 2:
        raise EvaluationError("compare wants two run directories: octupus evaluate compare runs/before runs/after")
    first, second = (read_published(Path(argument)) for argument in arguments)
    Console().print(comparison_table(first, second, compare(first, second)))
    return 0

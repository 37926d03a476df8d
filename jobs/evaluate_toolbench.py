"""Evaluate ToolBench answers: pass rate, SoPR, win rate and hallucinations, by an endpoint as judge or by rules.

    python jobs/evaluate_toolbench.py [FILE.yaml ...] [--dotted.flag VALUE ...]

An interrupted run goes on where it stopped when the same command is given again; no vote is asked for twice.
"""

import sys
from pathlib import Path

from octupus.agent.judge.config import EvaluateToolbenchConfig
from octupus.job import run_job


def main(config: EvaluateToolbenchConfig) -> object:
    """Write the results, and give the table that sums them up."""
    import asyncio

    from octupus.agent.judge.run import evaluate_toolbench

    return asyncio.run(evaluate_toolbench(config))


if __name__ == "__main__":
    sys.exit(run_job(EvaluateToolbenchConfig, Path(__file__).with_suffix(".yaml"), main))

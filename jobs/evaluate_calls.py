"""Evaluate calls: ask an endpoint the turns of held-out conversations, and compare its calls with the expected.

    python jobs/evaluate_calls.py [FILE.yaml ...] [--dotted.flag VALUE ...]

An interrupted run goes on where it stopped when the same command is given again; what failed is asked again.
"""

import sys
from pathlib import Path

from octupus.evaluate.calls.config import EvaluateCallsConfig
from octupus.job import run_job


def main(config: EvaluateCallsConfig) -> object:
    """Write the results, and give the table that sums them up."""
    import asyncio

    from octupus.evaluate.calls.run import evaluate_calls

    return asyncio.run(evaluate_calls(config))


if __name__ == "__main__":
    sys.exit(run_job(EvaluateCallsConfig, Path(__file__).with_suffix(".yaml"), main))

"""Score an OpenAI-compatible endpoint with the unmodified BFCL harness.

    ray job submit --working-dir . -- python jobs/evaluate_bfcl.py [FILE.yaml ...] [--dotted.flag VALUE ...]

Running it again goes on with an interrupted run, and asks again for what failed.
"""

import sys
from pathlib import Path

from octupus.evaluate.bfcl.config import EvaluateBfclConfig
from octupus.job import run_job


def main(config: EvaluateBfclConfig) -> object:
    """Measure and publish."""
    from octupus.evaluate_model import run_bfcl

    return run_bfcl(config)


if __name__ == "__main__":
    sys.exit(run_job(EvaluateBfclConfig, Path(__file__).with_suffix(".yaml"), main))

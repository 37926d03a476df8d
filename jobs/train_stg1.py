"""Stage 1: train chat, with Ray Train and DeepSpeed.

    ray job submit --working-dir . -- python jobs/train_stg1.py [FILE.yaml ...] [--dotted.flag VALUE ...]

Running it again continues an interrupted run; a finished one is kept as it is.
"""

import sys
from pathlib import Path

from octupus.job import run_job
from octupus.train.config import StageConfig


def main(config: StageConfig) -> object:
    """Train the stage."""
    from octupus.train.launch import train

    result = train(config)
    return result.export or result.report


if __name__ == "__main__":
    sys.exit(run_job(StageConfig, Path(__file__).with_suffix(".yaml"), main))

"""Merge an adapter into the model it was trained on.

ray job submit --working-dir . -- python jobs/merge_lora.py [FILE.yaml ...] [--adapter DIR --output DIR]
"""

import sys
from pathlib import Path

from octupus.job import run_job
from octupus.train.model.merge_config import MergeConfig


def main(config: MergeConfig) -> object:
    """Write the model directory."""
    from octupus.train.model.merge import merge

    return merge(config)


if __name__ == "__main__":
    sys.exit(run_job(MergeConfig, Path(__file__).with_suffix(".yaml"), main))

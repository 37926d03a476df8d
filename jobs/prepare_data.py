"""Prepare data: corpora to checked, deduplicated, tokenised, packed shards with a manifest and a report.

    ray job submit --working-dir . -- python jobs/prepare_data.py [FILE.yaml ...] [--dotted.flag VALUE ...]

What the same configuration and files made before is reused.
"""

import sys
from pathlib import Path

from octupus.data.config import PrepareConfig
from octupus.job import run_job


def main(config: PrepareConfig) -> object:
    """Write the prepared directory."""
    from octupus.data.pipeline import prepare

    prepare(config)
    return config.output


if __name__ == "__main__":
    sys.exit(run_job(PrepareConfig, Path(__file__).with_suffix(".yaml"), main))

"""Prepare data: corpora to checked, deduplicated, tokenised, packed shards with a manifest and a report.

    ray job submit --working-dir . -- python jobs/prepare_data.py [FILE.yaml ...] [--dotted.flag VALUE ...]

What the same configuration and files made before is reused. `--count_mixture true` writes nothing and prints what each
line of the mixture would take.
"""

import sys
from pathlib import Path

from octupus.data.config import PrepareConfig
from octupus.job import run_job


def main(config: PrepareConfig) -> object:
    """Write the prepared directory, or count its mixture."""
    from octupus.data.pipeline import count_mixture, prepare
    from octupus.data.report import mixture_text

    if config.count_mixture:
        return mixture_text(count_mixture(config))
    prepare(config)
    return config.output


if __name__ == "__main__":
    sys.exit(run_job(PrepareConfig, Path(__file__).with_suffix(".yaml"), main))

"""Make the quickstart's synthetic corpora and its small base model.

ray job submit --working-dir . -- python jobs/make_small_model.py jobs/quickstart/make_small_model.yaml
"""

import sys
from pathlib import Path

from octupus.job import run_job
from octupus.quickstart.config import SmallModelConfig


def main(config: SmallModelConfig) -> object:
    """Write the corpora and the model directory."""
    from octupus.quickstart.small_model import make_small_model

    make_small_model(config)
    return config.output


if __name__ == "__main__":
    sys.exit(run_job(SmallModelConfig, Path(__file__).parent / "quickstart" / "make_small_model.yaml", main))

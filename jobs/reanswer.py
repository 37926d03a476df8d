"""Re-answer: a teacher writes the assistant's turns of a corpus anew.

    ray job submit --working-dir . -- python jobs/reanswer.py [FILE.yaml ...] [--dotted.flag VALUE ...]

A killed run goes on where it stopped when the same command is given again; nothing that was answered is asked twice.
"""

import sys
from pathlib import Path

from octupus.data.reanswer.config import ReanswerConfig
from octupus.job import run_job


def main(config: ReanswerConfig) -> object:
    """Write the answers and the summary."""
    from octupus.data.reanswer.run import reanswer

    return reanswer(config)


if __name__ == "__main__":
    sys.exit(run_job(ReanswerConfig, Path(__file__).with_suffix(".yaml"), main))

"""Annotate: solve many queries with tools that really run, and write each one's search tree in ToolBench's format.

    ray job submit --working-dir . -- python jobs/annotate.py [FILE.yaml ...] [--dotted.flag VALUE ...]

A killed run goes on where it stopped when the same command is given again; nothing that was solved is asked twice.
"""

import sys
from pathlib import Path

from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.job import run_job


def main(config: AnnotateConfig) -> object:
    """Write the answers and the summary."""
    from octupus.agent.solve.run import annotate

    return annotate(config)


if __name__ == "__main__":
    sys.exit(run_job(AnnotateConfig, Path(__file__).with_suffix(".yaml"), main))

"""Generate: tasks for solvers, and conversations to train on, from calls of the shipped tools that are really made.

    python jobs/generate_tasks.py [FILE.yaml ...] [--dotted.flag VALUE ...]

Equal seeds give equal files. What an endpoint was asked for is kept, so a killed run asks for nothing twice.
"""

import sys
from pathlib import Path

from octupus.agent.generate.config import GenerateConfig
from octupus.job import run_job


def main(config: GenerateConfig) -> object:
    """Write the conversations, the tasks and the summary."""
    from octupus.agent.generate.run import generate

    return generate(config)


if __name__ == "__main__":
    sys.exit(run_job(GenerateConfig, Path(__file__).with_suffix(".yaml"), main))

"""Train an encoder that finds the tools a query takes, with Ray Train, and index tools with it.

    ray job submit --working-dir . -- python jobs/train_retriever.py [FILE.yaml ...] [--dotted.flag VALUE ...]

Running it again continues an interrupted run. A finished encoder is kept as it is: with another --index.directory it
indexes other tools.
"""

import sys
from pathlib import Path

from octupus.agent.retrieve.config import RetrieverConfig
from octupus.job import run_job


def main(config: RetrieverConfig) -> object:
    """Train and index."""
    from octupus.agent.retrieve.launch import train_retriever

    return train_retriever(config)


if __name__ == "__main__":
    sys.exit(run_job(RetrieverConfig, Path(__file__).with_suffix(".yaml"), main))

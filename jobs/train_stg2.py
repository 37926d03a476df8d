"""Stage 2: train chat and tool calls, from the export of stage 1, with Ray Train and DeepSpeed.

    ray job submit --working-dir . -- python jobs/train_stg2.py

Running it again continues an interrupted run; a finished one is kept as it is.
"""

import sys
from pathlib import Path

from octupus.config import load
from octupus.errors import OctupusError
from octupus.telemetry import configure_logging
from octupus.train.config import StageConfig


def main() -> int:
    """Run the job; 2 when something must be changed first."""
    config = load(StageConfig, default_file=Path(__file__).with_suffix(".yaml"))
    configure_logging()
    # Imported here: --help and --dry-run must not wait for Ray and PyTorch.
    from octupus.train.launch import train

    try:
        result = train(config)
    except OctupusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(result.export or result.report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

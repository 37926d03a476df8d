"""Prepare data: corpora -> checked, deduplicated, tokenised, packed shards with a manifest and a report.

ray job submit --working-dir . -- python jobs/prepare_data.py [FILE.yaml ...] [--dotted.flag VALUE ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from octupus.config import load
from octupus.data.config import PrepareConfig
from octupus.errors import OctupusError
from octupus.telemetry import configure_logging


def main() -> int:
    """Run the job; 2 when a person has to change something."""
    config = load(PrepareConfig, default_file=Path(__file__).with_suffix(".yaml"))
    # Imported here: --help and --dry-run load no Ray.
    from octupus.data.pipeline import prepare

    configure_logging()
    try:
        prepare(config)
    except OctupusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

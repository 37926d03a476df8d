"""Make the quickstart's synthetic corpora and its small base model.

ray job submit --working-dir . -- python jobs/make_small_model.py jobs/quickstart/make_small_model.yaml
"""

from pathlib import Path

from octupus.config import load
from octupus.quickstart.config import SmallModelConfig


def main() -> None:
    config = load(SmallModelConfig, default_file=Path(__file__).parent / "quickstart" / "make_small_model.yaml")

    from octupus.quickstart.small_model import make_small_model  # torch loads only after --help and --dry-run
    from octupus.telemetry import configure_logging

    configure_logging()
    make_small_model(config)


if __name__ == "__main__":
    main()

"""Give a base model the control tokens of a dialect.

ray job submit --working-dir . -- python jobs/edit_tokenizer.py --base MODEL --output DIRECTORY
"""

import sys
from pathlib import Path

from octupus.config import load
from octupus.errors import OctupusError
from octupus.telemetry import configure_logging
from octupus.train.config import VocabularyConfig


def main() -> int:
    """Run the job; 2 when something must be changed first."""
    config = load(VocabularyConfig, default_file=Path(__file__).with_suffix(".yaml"))
    configure_logging()
    # Imported here: --help and --dry-run must not wait for Ray and PyTorch.
    from octupus.train.vocabulary import edit_vocabulary

    try:
        result = edit_vocabulary(config)
    except OctupusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())

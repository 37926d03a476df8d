"""Give a base model the control tokens of a dialect.

ray job submit --working-dir . -- python jobs/edit_tokenizer.py [FILE.yaml ...] [--base DIR --output DIR]
"""

import sys
from pathlib import Path

from octupus.job import run_job
from octupus.train.config import VocabularyConfig


def main(config: VocabularyConfig) -> object:
    """Write the model directory."""
    from octupus.train.model.vocabulary import edit_vocabulary

    return edit_vocabulary(config)


if __name__ == "__main__":
    sys.exit(run_job(VocabularyConfig, Path(__file__).with_suffix(".yaml"), main))

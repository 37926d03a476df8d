"""DeepSpeed's universal checkpoint: what lets a state written by some workers be read by another number of them."""

from __future__ import annotations

import contextlib
import io
from argparse import Namespace
from pathlib import Path

TAG = "state"


def convert(source: Path, target: Path) -> None:
    """Make a universal checkpoint in `target` of the DeepSpeed state in `source`: one directory for each weight."""
    from deepspeed.checkpoint import ds_to_universal

    settings = Namespace(
        input_folder=str(source / TAG),
        output_folder=str(target / TAG),
        num_extract_workers=1,  # more would fork processes out of a worker that holds a process group
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,
    )
    target.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints dozens of lines
        ds_to_universal.main(settings)
    (target / "latest_universal").write_text(TAG, encoding="utf-8")

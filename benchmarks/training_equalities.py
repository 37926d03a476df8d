"""How far ways of training that should be equal differ: ZeRO's stages, recomputation, attention, losses, workers.

    python benchmarks/training_equalities.py

Trains the variants of tests/integration/test_engines.py, six steps each, with two processes joined by gloo (2 workers x
accumulation 2), and prints the largest relative difference in loss and gradient norm, and the largest difference of a
weight at the end, to PyTorch alone in one process (accumulation 4).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from octupus.train.config import VocabularyConfig
from octupus.train.model.vocabulary import edit_vocabulary
from tests.integration.test_engines import VARIANTS, distance, metrics, stage, weights
from tests.integration.worker_processes import Trained, train_in_processes
from tests.train.tiny_model import write_base_model, write_packs

_REFERENCES = {"bfloat16": "plain_bfloat16", "lora": "plain_lora"}


def main() -> None:
    """Train everything and print the table."""
    with tempfile.TemporaryDirectory(prefix="octupus_equalities_") as scratch:
        directory = Path(scratch)
        base = write_base_model(directory / "base")
        edit_vocabulary(VocabularyConfig(base=base, output=directory / "tied"))
        write_packs(directory / "data", directory / "tied")
        sharded = [name for name in VARIANTS if not name.startswith("plain") and "dropout" not in name]
        train_in_processes([Trained(stage(directory, name)) for name in sharded], 2, directory, timeout_s=900)
        alone = [name for name in VARIANTS if name.startswith("plain")]
        train_in_processes([Trained(stage(directory, name, workers=1)) for name in alone], 1, directory, timeout_s=900)
        print("| variant | beside | loss | gradient norm | weights |\n|---|---|---:|---:|---:|")
        for name in sharded:
            reference = next((other for key, other in _REFERENCES.items() if key in name), "plain")
            print(_row(directory, name, reference))
        print(_row(directory, "zero2_recomputed", "zero2"))
        print(_row(directory, "zero2", "zero1"))
        print(_row(directory, "zero3", "zero1"))


def _row(directory: Path, name: str, reference: str) -> str:
    pairs = list(zip(metrics(directory, f"{name}_tied"), metrics(directory, f"{reference}_tied"), strict=True))
    loss = max(abs(one.loss / other.loss - 1) for one, other in pairs)
    norm = max(abs(one.grad_norm / other.grad_norm - 1) for one, other in pairs)
    last = distance(weights(directory, f"{name}_tied"), weights(directory, f"{reference}_tied"))
    return f"| {name} | {reference} | {loss:.1e} | {norm:.1e} | {last:.1e} |"


if __name__ == "__main__":
    main()

"""How full packs are, by token budget: conversations of generated corpora, in the windows that preparation uses.

    python benchmarks/packing_fill.py --tokenizer DIRECTORY [--rows 20000]

Beside best-fit-decreasing in windows: conversations put one behind the other as they come, a new pack where one does
not fit, in the same run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from generated_corpus import Generator
from tokenizers import Tokenizer

from octupus.conversation import json_text
from octupus.data.config import PrepareConfig
from octupus.data.pack import pack


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer / "tokenizer.json"))
    generator = Generator(0)
    texts = [json_text(generator.row(number)) for number in range(arguments.rows)]
    lengths = np.array([len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts)])
    window = PrepareConfig.model_fields["pack_window"].default
    print(f"{arguments.rows} conversations, mean {lengths.mean():.0f} tokens, longest {lengths.max()}, window {window}")
    print(f"{'budget':>7} {'packs':>7} {'fill':>8} {'in order':>9} {'us a conversation':>18}")
    for budget in (2048, 4096, 8192):
        fitting = lengths[lengths <= budget]
        started = time.perf_counter()
        packs = pack(fitting.tolist(), budget, window, seed=0)
        seconds = time.perf_counter() - started
        fill = fitting.sum() / (len(packs) * budget)
        first_fit = fitting.sum() / (in_order(fitting.tolist(), budget) * budget)
        each = 1e6 * seconds / len(fitting)
        print(f"{budget:>7} {len(packs):>7} {fill:>8.2%} {first_fit:>9.2%} {each:>18.1f}")


def in_order(lengths: list[int], budget: int) -> int:
    """Packs when each conversation follows the last one, or opens a pack."""
    packs, left = 0, 0
    for length in lengths:
        if length > left:
            packs, left = packs + 1, budget
        left -= length
    return packs


if __name__ == "__main__":
    main()

"""What near deduplication costs: a sketch a text beside datasketch's, and clustering by the number of rows.

    python benchmarks/near_duplicates.py [--rows 10000,100000,1000000]

Texts have 200 random words. Bands are synthetic: a third of the rows share each band of an earlier row with
probability 0.85^7, as texts of Jaccard index 0.85 do. `similarity` costs nothing here; what a real one costs is its
time a pair, times the comparisons shown.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from random import Random

import datasketch  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from octupus.data.caps import over_cap
from octupus.data.dedup import exact_duplicates, near_duplicates
from octupus.data.minhash import MinHasher, text_similarity, tokens

WORDS = 200
TEXTS = 300
ROUNDS = 5


def best(function: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Seconds of the fastest round: what the code costs when the machine does nothing else."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def sketch_table() -> None:
    """Microseconds a text."""
    random = Random(0)
    vocabulary = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 9))) for _ in range(20_000)]
    texts = [" ".join(random.choices(vocabulary, k=WORDS)) for _ in range(TEXTS)]
    han = ["".join(chr(random.randint(0x4E00, 0x5500)) for _ in range(WORDS)) for _ in range(TEXTS)]
    hasher = MinHasher()
    empty = datasketch.MinHash(num_perm=hasher.permutations)

    def theirs() -> None:
        for text in texts:
            found = tokens(text)
            sketch = empty.copy()
            sketch.update_batch([" ".join(found[start : start + 5]).encode() for start in range(len(found) - 4)])

    pairs = np.stack([np.arange(TEXTS), (np.arange(TEXTS) * 7 + 1) % TEXTS], axis=1)
    rows = {
        "datasketch, bands not made": theirs,
        "octupus, 200 words": lambda: hasher.bands(hasher.signatures(texts)),
        "octupus, one by one": lambda: [hasher.bands(hasher.signature(text)) for text in texts],
        "octupus, 200 Han characters": lambda: hasher.bands(hasher.signatures(han)),
        "octupus, exact comparison": lambda: text_similarity(texts.__getitem__)(pairs),
    }
    measured = {name: best(function) / TEXTS * 1e6 for name, function in rows.items()}
    print(f"{hasher.permutations} permutations {'us a text':>24} {'of datasketch':>14}")
    for name, cost in measured.items():
        print(f"{name:30} {cost:10.1f} {cost / measured['datasketch, bands not made']:14.2f}")


def synthetic(rows: int) -> npt.NDArray[np.uint64]:
    """uint64[rows, 18]: bands of which a third of the rows share some with an earlier row."""
    random = np.random.default_rng(0)
    bands = random.integers(0, 2**64 - 1, (rows, 18), dtype=np.uint64)
    later = np.arange(rows // 3 * 2, rows)
    earlier = random.integers(0, rows // 3 * 2, len(later))
    for band in range(18):
        shared = random.random(len(later)) < 0.85**7
        bands[later[shared], band] = bands[earlier[shared], band]
    return bands


def cluster_table(sizes: list[int]) -> None:
    """Seconds and peak memory of each step on the driver."""
    print(f"\n{'rows':>9} {'bands MB':>9} {'near s':>7} {'peak MB':>8} {'compared':>9} {'exact s':>8} {'caps s':>7}")
    random = np.random.default_rng(1)
    for rows in sizes:
        bands = synthetic(rows)
        compared = 0

        def similarity(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
            nonlocal compared
            compared += len(pairs)
            return np.ones(len(pairs))

        seconds = best(lambda bands=bands: near_duplicates(bands, similarity), 1)  # type: ignore[misc]
        comparisons = compared
        tracemalloc.start()
        near_duplicates(bands, similarity)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        ids = random.integers(0, 256, (rows, 32), dtype=np.uint8)
        codes, offsets = random.zipf(1.5, rows * 2) % 5000, np.arange(rows + 1) * 2
        exact = best(lambda ids=ids: exact_duplicates(ids), 1)  # type: ignore[misc]
        caps = best(lambda ids=ids, codes=codes, offsets=offsets: over_cap(ids, codes, offsets, 200), 1)  # type: ignore[misc]
        print(
            f"{rows:9d} {bands.nbytes / 1e6:9.1f} {seconds:7.2f} {peak / 1e6:8.1f} {comparisons:9d} "
            f"{exact:8.2f} {caps:7.2f}"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="10000,100000,1000000")
    arguments = parser.parse_args()
    sketch_table()
    cluster_table([int(rows) for rows in arguments.rows.split(",")])


if __name__ == "__main__":
    main()

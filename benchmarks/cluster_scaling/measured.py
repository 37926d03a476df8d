"""CPU that one process spends for all: the driver on a row of data, the prefix router on a request. One core, no Ray.

    python -m benchmarks.cluster_scaling.measured [--rows 40000]

Process time, so that other work on the machine counts little. Rows are made up, and no two are alike: candidates for
near duplicates, which are compared text by text, come on top.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.cluster_scaling import constants as c
from octupus.data.config import PrepareConfig
from octupus.data.dedup import exact_duplicates, near_duplicates
from octupus.data.index import Index, IndexBuilder
from octupus.data.minhash import MinHasher
from octupus.data.pack import pack
from octupus.data.records import INDEX
from octupus.data.sources.resolve import input_sha256
from octupus.data.sources.survey import survey
from octupus.serve.routing.prefix_table import PrefixTable


def main() -> None:
    """Print each cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40_000)
    rows = parser.parse_args().rows
    random = np.random.default_rng(0)
    tables = [_index_block(number, random) for number in range(-(-rows // c.ROWS_PER_BLOCK))]
    rows = len(tables) * c.ROWS_PER_BLOCK
    index, seconds = _timed(lambda: _index(tables))
    print(f"index         {1e6 * seconds / rows:6.1f} us a row")
    _, seconds = _timed(lambda: exact_duplicates(index.ids))
    print(f"duplicates    {1e6 * seconds / rows:6.1f} us a row")
    _, seconds = _timed(lambda: near_duplicates(index.bands, lambda pairs: np.zeros(len(pairs)), 0.8))
    print(f"near          {1e6 * seconds / rows:6.1f} us a row")
    lengths = np.clip(random.lognormal(6.2, 0.7, rows).astype(int), 20, 4096).tolist()
    window = PrepareConfig.model_fields["pack_window"].default
    _, seconds = _timed(lambda: pack(lengths, 8192, window, 0))
    print(f"packing       {1e6 * seconds / rows:6.1f} us a row")
    _corpus(rows)
    for replicas in (8, 64, 512):
        print(f"prefix table  {1e6 * _prefix_scan(replicas) / replicas:6.2f} us a request and replica, of {replicas}")


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def _index_block(number: int, random: np.random.Generator) -> pa.Table:
    """What a task of the first pass gives the driver."""
    hasher = MinHasher()
    alike: dict[str, Any] = {"place": 0, "part": 0, "block": number, "stage": None, "reason": None, "tokens": 620}
    alike |= {"trained_tokens": 300, "kind": "single", "language": "en", "flags": [], "augmentations": 0}
    rows = [
        alike
        | {"row": number * c.ROWS_PER_BLOCK + offset, "offset": offset, "id": random.bytes(32)}
        | {"calls": [f"tool_{offset % 500}"], "bands": random.bytes(8 * hasher.band_count)}
        | {"sketch": random.bytes(hasher.permutations)}
        for offset in range(c.ROWS_PER_BLOCK)
    ]
    return pa.Table.from_pylist(rows, schema=INDEX)


def _index(tables: list[pa.Table]) -> Index:
    builder = IndexBuilder()
    for table in tables:
        builder.add(table)
    return builder.build()


def _corpus(rows: int) -> None:
    """Cutting and hashing a file of JSON lines."""
    line = json.dumps({"messages": [{"role": "user", "content": "word " * 500}]}) + "\n"
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "corpus.jsonl"
        file.write_text(line * rows)
        _, cutting = _timed(lambda: survey(file, c.ROWS_PER_BLOCK))
        _, hashing = _timed(lambda: input_sha256(file))
    print(f"cutting       {len(line) * rows / cutting / 1e6:6.0f} MB/s")
    print(f"hashing       {len(line) * rows / hashing / 1e6:6.0f} MB/s")


def _prefix_scan(replicas: int, requests: int = 200) -> float:
    """Seconds to look for a prompt of 12 blocks in the tables of all replicas."""
    table: PrefixTable[int] = PrefixTable(int(c.TABLE_BLOCKS))
    table.keep_only(range(replicas))
    for replica in range(replicas):
        table.remember([hash((replica, block)) for block in range(2000)], replica)
    prompt = [hash((0, block)) for block in range(12)]
    _, seconds = _timed(
        lambda: [[table.matched_blocks(prompt, replica) for replica in range(replicas)] for _ in range(requests)]
    )
    return float(seconds / requests)


if __name__ == "__main__":
    main()

"""What becomes of every row of real corpora: in, kept, dropped by reason, and what was mended, a line a file.

    python benchmarks/corpora_table.py --corpora DIRECTORY --tokenizer DIRECTORY

Takes every file below the first directory whose format is known, each as a source of its own, through the whole line.
Evaluation sets are let in, since nothing here is trained on.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
from generated_corpus import write_model

from octupus.data.config import PrepareConfig, SourceConfig
from octupus.data.pipeline import prepare
from octupus.data.quality import QualityConfig
from octupus.data.sources.detect import ROWS_LOOKED_AT, detect_format
from octupus.data.sources.reader import read_rows
from octupus.errors import CorpusError

DIALOGUES = ("apibank/lv1-lv2-samples",)
"""Directories whose every file is one row."""
COMPANIONS = ("sealtools/tool.jsonl",)
"""Files that are read beside a corpus and are none."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    arguments = parser.parse_args()
    known = list(corpora(arguments.corpora))
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        config = PrepareConfig(
            model=write_model(directory / "model", arguments.tokenizer),
            output=directory / "prepared",
            sources=tuple(SourceConfig(name=name, path=path) for name, path in known),
            quality=QualityConfig(languages=("en", "zh")),
            token_budget=8192,
            on_broken_line="drop",
        )
        manifest = prepare(config)
        flags = flags_by_source(config.output)
    print("| file | rows | in | kept | dropped | mended, masked, cut |\n|---|---|---|---|---|---|")
    for name, counts in manifest.sources.items():
        assert counts.read == counts.kept + sum(counts.dropped.values())
        cells = [name, counts.rows, counts.read, counts.kept, listed(counts.dropped), flags.get(name, "-")]
        print(f"| {' | '.join(map(str, cells))} |")
    read, kept = (sum(getattr(counts, name) for counts in manifest.sources.values()) for name in ("read", "kept"))
    print(f"\n{len(manifest.sources)} files, {read} in, {kept} kept")


def corpora(directory: Path) -> Iterator[tuple[str, Path]]:
    """Names and paths of the files whose format is known."""
    for name in DIALOGUES:
        if (directory / name).is_dir():
            yield name, directory / name
    for path in sorted(directory.rglob("*.json*")):
        name = path.relative_to(directory).as_posix()
        if name.startswith(DIALOGUES) or name in COMPANIONS:
            continue
        try:
            detect_format([row.value for row in islice(read_rows(path, "drop"), ROWS_LOOKED_AT)], path)
        except CorpusError:
            continue
        yield name, path


def flags_by_source(prepared: Path) -> dict[str, str]:
    """What was changed in the kept rows of each source."""
    counts: dict[str, Counter[str]] = {}
    records = pq.read_table(prepared / "records", columns=["source", "flags"])
    for source, flags in zip(records["source"].to_pylist(), records["flags"].to_pylist(), strict=True):
        wanted = [flag for flag in flags if flag.startswith(("cut_", "masked_", "renamed_", "coerced_", "merged_"))]
        counts.setdefault(source, Counter()).update(wanted)
    return {source: listed(flags) for source, flags in counts.items()}


def listed(counts: dict[str, int]) -> str:
    """Names with their numbers."""
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items())) or "-"


if __name__ == "__main__":
    main()

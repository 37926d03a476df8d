"""The finished answers as files in the input's order, and the summary that counts every conversation once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from octupus.conversation import json_text
from octupus.data.manifest import file_sha256
from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.dialogue import DialogueRules
from octupus.data.reanswer.ledger import Index
from octupus.data.reanswer.source import entries, replay
from octupus.telemetry import write_json, write_run_record

SUMMARY = "reanswer.json"
ROWS_PER_GROUP = 1000

_CALL = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
    ]
)
_MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("tool_calls", pa.list_(_CALL)),
        ("tool_call_id", pa.string()),
        ("weight", pa.int64()),
    ]
)
# Schemas of tools and meta are free-form, so Arrow sees strings.
_ROW = pa.schema([("messages", pa.list_(_MESSAGE)), ("tools", pa.string()), ("meta", pa.string())])


def write_answers(config: ReanswerConfig, form: str, index: Index, settings: dict[str, Any]) -> dict[str, Any]:
    """Write all files of the output anew and return the summary, which is written last."""
    counts = _Counts()
    rows = _finished(config, form, index, counts)
    partial: list[tuple[Path, Path, int]] = []
    while True:
        name = f"answers{_number(config, len(partial))}.{config.output_format}"
        path = config.output / name
        beside = config.output / f".{name}.partial"
        written = _write_file(beside, config, rows)
        if written == 0 and partial:
            beside.unlink()
            break
        partial.append((beside, path, written))
        if config.rows_per_file is None or written < config.rows_per_file:
            break
    (config.output / SUMMARY).unlink(missing_ok=True)
    kept = {path for _, path, _ in partial}
    for stale in {*config.output.glob("answers*.jsonl"), *config.output.glob("answers*.parquet")} - kept:
        stale.unlink()
    for beside, path, _ in partial:
        beside.replace(path)
    files = [{"file": path.name, "sha256": file_sha256(path), "conversations": written} for _, path, written in partial]
    summary = _summary(config, index, settings, counts, files)
    write_run_record(config.output, config)
    write_json(config.output / SUMMARY, summary)
    return summary


class _Counts:
    """Every conversation of the input is in exactly one of these."""

    def __init__(self) -> None:
        self.answered = 0
        self.cut = 0  # of the answered
        self.skipped: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()


def _finished(config: ReanswerConfig, form: str, index: Index, counts: _Counts) -> Iterator[dict[str, Any]]:
    rules = DialogueRules.of(config)
    for entry in entries(config, form):
        if entry.skipped:
            counts.skipped[entry.skipped] += 1
            continue
        dialogue = replay(entry, rules, index, with_failures=True)
        if dialogue.failed:
            counts.failed[dialogue.failed] += 1
            continue
        assert dialogue.next_turn is None, f"row {entry.row} part {entry.part} was never asked"
        counts.answered += 1
        counts.cut += dialogue.cut
        yield dialogue.row()


def _summary(
    config: ReanswerConfig, index: Index, settings: dict[str, Any], counts: _Counts, files: list[dict[str, Any]]
) -> dict[str, Any]:
    totals = index.totals
    skipped, failed = sum(counts.skipped.values()), sum(counts.failed.values())
    seconds = max(totals.seconds, 1e-9)
    return {
        "input": str(config.input),
        "settings": settings,
        "conversations": {
            "in": counts.answered + skipped + failed,
            "answered": counts.answered,
            "cut": counts.cut,
            "skipped": dict(sorted(counts.skipped.items())),
            "failed": dict(sorted(counts.failed.items())),
        },
        "answers": totals.answers,
        "finish_reasons": dict(sorted(totals.finish_reasons.items())),
        "retries": dict(sorted(totals.retries.items())),
        "tokens_in": totals.tokens_in,
        "tokens_out": totals.tokens_out,
        "runs": totals.runs,
        "seconds": round(totals.seconds, 3),
        "answers_per_second": round(totals.answers / seconds, 3) if totals.answers else 0.0,
        "tokens_out_per_second": round(totals.tokens_out / seconds, 3) if totals.answers else 0.0,
        "files": files,
    }


def _number(config: ReanswerConfig, position: int) -> str:
    return "" if config.rows_per_file is None else f"-{position:05d}"


class _Writer(Protocol):
    def write(self, row: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class _Lines:
    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="utf-8", newline="\n")

    def write(self, row: dict[str, Any]) -> None:
        self._stream.write(json_text(row) + "\n")

    def close(self) -> None:
        self._stream.close()


class _Parquet:
    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetWriter(path, _ROW, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        self._rows.append({**row, "tools": json_text(row["tools"]), "meta": json_text(row["meta"])})
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write_table(pa.Table.from_pylist(self._rows, schema=_ROW))
        self._rows.clear()


def _write_file(path: Path, config: ReanswerConfig, rows: Iterator[dict[str, Any]]) -> int:
    """Write at most `rows_per_file` rows; gives how many there were."""
    writer: _Writer = _Lines(path) if config.output_format == "jsonl" else _Parquet(path)
    written = 0
    try:
        while config.rows_per_file is None or written < config.rows_per_file:
            row = next(rows, None)
            if row is None:
                break
            writer.write(row)
            written += 1
    finally:
        writer.close()
    return written

"""The append-only file of what the teacher said: one JSON line an outcome, so that a killed run loses nothing.

The first line holds the settings that the answers depend on. A line without its end was being written when the
machine stopped; it is cut off before the next one is appended.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from octupus.config import changed_settings
from octupus.data.reanswer.config import ReanswerConfig
from octupus.endpoint.outcome import Answer, Failure, Outcome
from octupus.errors import OctupusError

LEDGER = "ledger.jsonl"
VERSION = 1
MAX_PARTS = 1 << 20
# What may change between two runs: where and how fast is asked, and what is made of the answers afterwards.
_SETTINGS = ("teacher", "model", "turns", "tools", "system_prompt", "system_prompt_mode", "sampling")


class LedgerError(OctupusError):
    """The output belongs to other settings or another input, or its ledger is damaged or in use."""


@dataclass
class Totals:
    """What all runs together were told and what they cost."""

    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    runs: int = 0


@dataclass
class Index:
    """Where in the ledger the outcomes of each conversation stand; 16 bytes an outcome."""

    path: Path
    size: int
    """Bytes of whole lines; what stands behind is a torn line."""
    keys: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    totals: Totals

    def outcomes(self, row: int, part: int) -> dict[int, Outcome]:
        """By turn: the first answer, or without one the last failure."""
        key = _key(row, part)
        first, behind = np.searchsorted(self.keys, [key, key + 1])
        found: dict[int, Outcome] = {}
        if first == behind:
            return found
        with self.path.open("rb") as stream:
            for offset in self.offsets[first:behind].tolist():
                stream.seek(offset)
                value = json.loads(stream.readline())
                if not isinstance(found.get(value["turn"]), Answer):
                    found[value["turn"]] = _outcome(value)
        return found


def settings_of(config: ReanswerConfig, form: str, input_sha256: str) -> dict[str, Any]:
    """What the answers depend on, flat, by the configuration's names."""
    chosen = config.model_dump(mode="json", include=set(_SETTINGS))
    values: dict[str, Any] = {"input_sha256": input_sha256, "format": form}
    for name in _SETTINGS:
        inner = chosen[name]
        values |= {f"{name}.{key}": value for key, value in inner.items()} if isinstance(inner, dict) else {name: inner}
    if config.teacher == "endpoint":
        values["endpoint.extra_body"] = config.endpoint.extra_body
    else:
        values["engine.chat_template_kwargs"] = config.engine.chat_template_kwargs
    return values


def outcome_line(row: int, part: int, turn: int, outcome: Outcome, at: float) -> bytes:
    """One line of the ledger; `at` counts seconds from the start of the run."""
    kind = "answer" if isinstance(outcome, Answer) else "failure"
    value = {"row": row, "part": part, "turn": turn, "at": round(at, 3), kind: outcome.model_dump(mode="json")}
    return _line(value)


def opening_lines(settings: dict[str, Any] | None, started: str) -> bytes:
    """What a run writes before its first outcome: the settings, if the ledger is new, and that a run begins."""
    header = _line({"ledger": VERSION, "settings": settings}) if settings is not None else b""
    return header + _line({"run": started})


def check_settings(path: Path, settings: dict[str, Any]) -> None:
    """Raises LedgerError when the ledger was begun with other settings, naming both values of each."""
    recorded = _header(path)
    if recorded is None:
        return
    changed = changed_settings(recorded, settings)
    if changed:
        raise LedgerError(
            f"{path.parent} holds answers to other settings: {'; '.join(changed)}; "
            "choose another output, or take the settings back"
        )


def read_index(path: Path) -> Index:
    """Index a ledger; one that does not exist or holds a torn header alone is empty. Raises LedgerError."""
    keys: list[npt.NDArray[np.int64]] = []
    offsets: list[npt.NDArray[np.int64]] = []
    totals = Totals()
    size = 0
    chunk: list[tuple[int, int]] = []
    run_seconds = 0.0
    for offset, value, end in _lines(path):
        size = end
        if "run" in value:
            totals.runs += 1
            totals.seconds, run_seconds = totals.seconds + run_seconds, 0.0
        elif "row" in value:
            run_seconds = max(run_seconds, value["at"])
            _count(totals, _outcome(value))
            chunk.append((_key(value["row"], value["part"]), offset))
            if len(chunk) == 1 << 16:
                _move(chunk, keys, offsets)
    _move(chunk, keys, offsets)
    totals.seconds += run_seconds
    all_keys, all_offsets = np.concatenate(keys), np.concatenate(offsets)
    order = np.argsort(all_keys, kind="stable")
    return Index(path, size, all_keys[order], all_offsets[order], totals)


def _move(
    chunk: list[tuple[int, int]], keys: list[npt.NDArray[np.int64]], offsets: list[npt.NDArray[np.int64]]
) -> None:
    # Python's own integers would take ten times the memory.
    table = np.array(chunk, dtype=np.int64).reshape(-1, 2)
    keys.append(table[:, 0].copy())
    offsets.append(table[:, 1].copy())
    chunk.clear()


def _count(totals: Totals, outcome: Outcome) -> None:
    totals.retries.update(outcome.retries)
    if isinstance(outcome, Answer):
        totals.answers += 1
        totals.tokens_in += outcome.tokens_in
        totals.tokens_out += outcome.tokens_out
        totals.finish_reasons[outcome.finish_reason] += 1


def _header(path: Path) -> dict[str, Any] | None:
    for _, value, _ in _lines(path):
        if value.get("ledger") != VERSION or not isinstance(value.get("settings"), dict):
            raise LedgerError(f"{path} does not begin as a ledger of version {VERSION}; choose another output")
        settings: dict[str, Any] = value["settings"]
        return settings
    return None


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Offset, value and end of every whole line."""
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            end = offset + len(line)
            try:
                value = json.loads(line)
            except ValueError as error:
                raise LedgerError(
                    f"{path}:{number} is no JSON: {error}; remove the line, and its turn is asked again"
                ) from error
            yield offset, value, end
            offset = end


def _outcome(value: dict[str, Any]) -> Outcome:
    if "answer" in value:
        return Answer.model_validate(value["answer"])
    return Failure.model_validate(value["failure"])


def _key(row: int, part: int) -> int:
    return row * MAX_PARTS + part


def _line(value: dict[str, Any]) -> bytes:
    # ASCII, since a teacher's half characters must be kept as well.
    return json.dumps(value).encode("ascii") + b"\n"

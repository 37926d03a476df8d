"""The append-only file of a judge's votes: one JSON line for each reply, so that an interrupted run loses none.

The first line holds the settings that votes depend on. A line without its end was being written when the process was
killed; it is cut off before the next one is appended. Votes are written as they come and read again by key: what was
asked, of which query, by which vote, about which text.
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from octupus.agent.judge.verdict import Verdict
from octupus.config import changed_settings
from octupus.errors import EvaluationError, OutputError

VERSION = 1


class VoteKey(NamedTuple):
    """Which vote a reply belongs to."""

    task: str
    query_id: str
    vote: int
    digest: str
    """Of the messages that were sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from one request."""

    kind: Literal["verdict", "invalid", "failure"]
    seed: int
    status: str = ""
    """The verdict; empty without one."""
    reason: str = ""
    """The judge's reason, or why there is no verdict."""
    text: str | None = None
    """The judge's words where they are no valid verdict."""
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass
class VoteState:
    """What is known of one vote."""

    verdict: Verdict | None = None
    invalid: int = 0
    """Replies that were no valid verdict."""
    last: str = ""
    """Why the last reply was no verdict."""


@dataclass
class VoteLedger:
    """The votes of one output directory, as they were and as they are added."""

    path: Path
    settings: Mapping[str, Any]
    votes: dict[VoteKey, VoteState] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    """Replies by kind and tokens, of all runs together."""
    _stream: IO[bytes] | None = None

    @contextmanager
    def open(self) -> Iterator[VoteLedger]:
        """Ready to append, for this process alone.

        Raises EvaluationError when another process holds it, when it is damaged, or when it was begun with other
        settings, naming both values of each. Raises OutputError when it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as stream:
                self._begin(stream)
                try:
                    yield self
                finally:
                    self._stream = None
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error}; make room, and start the same command again"
            ) from error

    def _begin(self, stream: IO[bytes]) -> None:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EvaluationError(f"{self.path} is being written by another run; wait for its end") from error
        size = self._read()
        stream.truncate(size)
        self._stream = stream
        if not size:
            self._append({"ledger": VERSION, "settings": dict(self.settings)})

    def state(self, key: VoteKey) -> VoteState:
        """What is known of a vote; nothing of one that was never asked."""
        return self.votes.get(key) or VoteState()

    def add(self, key: VoteKey, reply: Reply) -> None:
        """Write a reply down; it is on its way to the disk when this returns."""
        self._append({**key._asdict(), **asdict(reply)})
        self._count(key, reply)

    def _count(self, key: VoteKey, reply: Reply) -> None:
        state = self.votes.setdefault(key, VoteState())
        self.totals[reply.kind] += 1
        self.totals["tokens_in"] += reply.tokens_in
        self.totals["tokens_out"] += reply.tokens_out
        if reply.kind == "verdict":
            state.verdict = state.verdict or Verdict(reply.status, reply.reason)
        else:
            state.invalid += reply.kind == "invalid"
            state.last = f"{reply.kind}: {reply.reason}"

    def _append(self, value: dict[str, Any]) -> None:
        assert self._stream is not None, "the ledger is not open"
        # ASCII, since a model's half characters must be kept as well.
        self._stream.write(json.dumps(value).encode("ascii") + b"\n")
        self._stream.flush()

    def _read(self) -> int:
        """Take in all whole lines; gives the bytes that they take."""
        end = 0
        with self.path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                try:
                    value = json.loads(line)
                    if number == 1:
                        self._check(value)
                        continue
                    key = VoteKey(*(value.pop(name) for name in VoteKey._fields))
                    self._count(key, Reply(**value))
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    raise EvaluationError(
                        f"{self.path}:{number} is no vote: {error}; remove the line, and its vote is asked again"
                    ) from error
        return end

    def _check(self, header: Any) -> None:
        if not isinstance(header, dict) or header.get("ledger") != VERSION:
            raise EvaluationError(f"{self.path} does not begin as votes of version {VERSION}; choose another output")
        changed = changed_settings(header["settings"], self.settings)
        if changed:
            raise EvaluationError(
                f"{self.path.parent} holds votes of other settings: {'; '.join(changed)}; choose another output, or "
                "take the settings back"
            )

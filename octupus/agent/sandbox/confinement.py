"""What holds a process that runs tools on this machine, told once where something is missing."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from octupus.telemetry import event

_log = logging.getLogger("octupus.agent.sandbox")
_told: set[tuple[str, ...]] = set()


@dataclass(frozen=True, slots=True)
class Confinement:
    """Which measures are in force. Time, memory and result limits always are."""

    missing: tuple[str, ...] = ()
    """What this machine does not have, each with what follows from it."""

    @property
    def complete(self) -> bool:
        """Whether files, network, processes and privileges are all confined."""
        return not self.missing

    def tell(self) -> None:
        """Log once in this process what is missing."""
        if self.missing and self.missing not in _told:
            _told.add(self.missing)
            event(_log, "sandbox_incomplete", missing="; ".join(self.missing))

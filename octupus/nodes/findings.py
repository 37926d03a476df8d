"""One thing to mend, with its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a finding does to a job."""

    ERROR = "error"
    """It fails, or gives wrong results, until this is mended."""
    WARNING = "warning"
    """It may go well; something is slower or nearer to failing than it needs to be."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and what to do about it."""

    severity: Severity
    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


def error(where: str, what: str, remedy: str) -> Finding:
    """A finding that must be mended."""
    return Finding(Severity.ERROR, where, what, remedy)


def warning(where: str, what: str, remedy: str) -> Finding:
    """A finding that may stay."""
    return Finding(Severity.WARNING, where, what, remedy)


def of_failure(severity: Severity, where: str, failure: str, remedy: str = "") -> Finding:
    """A finding of an error's message, `what; remedy`; `remedy` is for one that names none."""
    what, _, own = failure.partition("; ")
    return Finding(severity, where, what, own or remedy)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Those that must be mended."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]

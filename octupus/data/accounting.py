"""What became of every row: in = kept + dropped, for each source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from octupus.data.manifest import SourceCounts
from octupus.errors import OctupusError


class AccountingError(OctupusError):
    """Rows were lost or counted twice: a defect of the pipeline, never of a corpus."""


class NothingKeptError(OctupusError):
    """No row of any source is left to train on."""


def count_sources(
    read: Mapping[str, int], kept: Iterable[str], dropped: Iterable[tuple[str, str]]
) -> dict[str, SourceCounts]:
    """Counts by source, from rows read, the sources of kept rows, and (source, reason) of dropped ones.

    Raises AccountingError unless in = kept + dropped for every source.
    """
    kept_rows = Counter(kept)
    dropped_rows: dict[str, Counter[str]] = {source: Counter() for source in read}
    for source, reason in dropped:
        dropped_rows[source][reason] += 1
    counts: dict[str, SourceCounts] = {}
    for source, count in read.items():
        reasons = dict(sorted(dropped_rows[source].items()))
        if count != kept_rows[source] + sum(reasons.values()):
            raise AccountingError(
                f"source {source!r}: {count} rows in, {kept_rows[source]} kept and {sum(reasons.values())} dropped "
                "do not add up; report this with the run's run.json"
            )
        counts[source] = SourceCounts(read=count, kept=kept_rows[source], dropped=reasons)
    return counts


def require_kept(counts: Mapping[str, SourceCounts]) -> None:
    """Raises NothingKeptError when nothing is left to train on."""
    if any(count.kept for count in counts.values()):
        return
    total: Counter[str] = Counter()
    for count in counts.values():
        total.update(count.dropped)
    reasons = ", ".join(f"{reason} {number}" for reason, number in total.most_common())
    raise NothingKeptError(
        f"none of the {sum(count.read for count in counts.values())} rows can be trained on ({reasons}); "
        "correct the sources' format, or raise token_budget if they are too_long"
    )


def by_name(names: Sequence[str]) -> dict[str, int]:
    """How often each name occurs, sorted by name."""
    return dict(sorted(Counter(names).items()))

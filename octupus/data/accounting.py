"""What became of every row: in = kept + dropped, for each source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from octupus.data.decide import Decisions
from octupus.data.index import REASONS, STAGES, Index
from octupus.data.manifest import SourceCounts, StageCounts
from octupus.data.reasons import Stage
from octupus.errors import OctupusError


class AccountingError(OctupusError):
    """Rows were lost or counted twice: a defect of the pipeline, never of a corpus."""


class NothingKeptError(OctupusError):
    """No row of any source is left to train on."""


def count_sources(
    index: Index,
    decisions: Decisions,
    places: Sequence[tuple[str, str]],
    rows_read: Mapping[str, int],
) -> dict[str, SourceCounts]:
    """Counts by source; `places` are the (source, split) of the index's place numbers.

    Raises AccountingError unless every row of the files is in the index, and in = kept + dropped for every source and
    after every stage.
    """
    names = list(dict.fromkeys(source for source, _ in places))
    source_of = np.array([names.index(source) for source, _ in places])[index.place]
    counts: dict[str, SourceCounts] = {}
    for number, name in enumerate(names):
        rows = source_of == number
        seen = int((rows & (index.part == 0)).sum())
        if seen != rows_read[name]:
            raise AccountingError(
                f"source {name!r}: {rows_read[name]} rows were counted in its files and {seen} read; "
                "do not change a file while it is read"
            )
        stages: dict[str, StageCounts] = {}
        left = int(rows.sum())
        for code, stage in enumerate(STAGES):
            if stage == Stage.AUGMENT:
                continue
            dropped = rows & (decisions.stage == code)
            reasons = Counter(str(REASONS[each]) for each in decisions.reason[dropped].tolist())
            kept = left - sum(reasons.values())
            stages[str(stage)] = StageCounts(read=left, kept=kept, dropped=dict(sorted(reasons.items())))
            left = kept
        if left != int((rows & decisions.kept).sum()):
            raise AccountingError(f"source {name!r}: rows kept and dropped do not add up; report this with run.json")
        total: Counter[str] = Counter()
        for each in stages.values():
            total.update(each.dropped)
        counts[name] = SourceCounts(
            rows=seen, read=int(rows.sum()), kept=left, dropped=dict(sorted(total.items())), stages=stages
        )
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

"""Decisions over all rows, against the plainest way to come to them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation, Message
from octupus.data.accounting import AccountingError, NothingKeptError, count_sources, require_kept
from octupus.data.config import PrepareConfig
from octupus.data.decide import Decisions, decide, mix
from octupus.data.index import PASSED, REASONS, STAGES, Index
from octupus.data.manifest import SourceCounts
from octupus.data.minhash import estimated_similarity, text_similarity
from octupus.data.mixture import select
from octupus.data.reasons import Reason, Stage
from octupus.data.records import RECORD
from octupus.data.similarity import similarity_of_rows
from octupus.data.store import Store, write_table
from tests.data.index_rows import dropped, identity, index_of, passed

PLACES = [("a", "train"), ("a", "dev"), ("b", "train")]
WORDS = [f"w{number}" for number in range(400)]
FAMILIES = [" ".join(WORDS[start : start + 100]) for start in (0, 100, 200)]


def variant(family: int, number: int) -> str:
    """A text that is nearly that of its family, and no two of a family are the same."""
    return f"{FAMILIES[family]} {number}"


def config(**changes: Any) -> PrepareConfig:
    sources = [{"name": name, "split": split, "path": f"{name}-{split}.json"} for name, split in PLACES]
    return PrepareConfig.model_validate({"model": "m", "output": "out", "sources": sources} | changes)


def reasons(decisions: Decisions) -> list[Reason | None]:
    return [None if code == PASSED else REASONS[code] for code in decisions.reason]


def decided(index: Index, config: PrepareConfig) -> Decisions:
    """With similarities estimated from the sketches alone."""
    return decide(index, config, lambda rows: estimated_similarity(index.sketch[rows]))


KEEP_SIMILAR = {"near_duplicates": {"drop": False}}


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row of few different ids, families and tools, so that much is repeated."""
    others = {"place": draw(st.integers(0, 2)), "calls": draw(st.lists(st.sampled_from("fgh"), unique=True))}
    if draw(st.integers(0, 4)) == 0:
        return dropped(place=others["place"])
    number = draw(st.integers(0, 7))
    return passed(number, variant(number % 3, number), kind="single" if number % 2 else "chat", **others)


some_rows = st.lists(rows(), min_size=1, max_size=16)


@given(some_rows)
@settings(max_examples=25, deadline=None)
def test_exact_duplicates(given_rows: list[dict[str, Any]]) -> None:
    index = index_of(given_rows)
    decisions = decided(index, config(**KEEP_SIMILAR))
    first: dict[bytes, int] = {}
    for position, row in enumerate(given_rows):
        if row["reason"] is not None:
            assert (decisions.reason[position], decisions.stage[position]) == (
                index.reason[position],
                index.stage[position],
            )
            continue
        earliest = first.setdefault(row["id"], position)
        assert decisions.earlier[position] == earliest
        assert decisions.kept[position] == (earliest == position)
        if earliest != position:
            assert REASONS[decisions.reason[position]] == Reason.DUPLICATE
            assert STAGES[decisions.stage[position]] == Stage.DEDUP


@given(some_rows)
@settings(max_examples=25, deadline=None)
def test_near_duplicates(given_rows: list[dict[str, Any]]) -> None:
    """The first of each family stays, as variants of a family are alike and those of others are not."""
    index = index_of(given_rows)
    decisions = decided(index, config())
    family_of = {identity(number): number % 3 for number in range(8)}
    first: dict[int, int] = {}
    seen: set[bytes] = set()
    for position, row in enumerate(given_rows):
        if row["reason"] is not None:
            continue
        earliest = first.setdefault(family_of[row["id"]], position)
        expected = None if earliest == position else Reason.NEAR_DUPLICATE
        if row["id"] in seen:
            expected = Reason.DUPLICATE
        seen.add(row["id"])
        assert reasons(decisions)[position] == expected
        if expected == Reason.NEAR_DUPLICATE:
            assert decisions.earlier[position] == earliest


def test_the_threshold_is_the_configurations() -> None:
    changed = " ".join([*WORDS[:92], *WORDS[300:308]])  # 0.85 alike
    index = index_of([passed(1, FAMILIES[0]), passed(2, changed), passed(3, variant(0, 1))])
    for threshold, kept in ((0.7, 1), (0.95, 2)):
        made = decided(index, config(near_duplicates={"threshold": threshold}))
        assert int(made.kept.sum()) == kept


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_doubtful_similarities_are_counted_from_the_texts(tmp_path: Path, threshold: float) -> None:
    """Rows of three blocks, some of them not asked about, and texts that differ in few words up to all."""
    store = Store(tmp_path)
    texts = [" ".join([*WORDS[:100][changed:], *WORDS[300 : 300 + changed]]) for changed in range(0, 100, 4)]
    rows = []
    for block in range(3):
        chosen = range(block, len(texts), 3)
        records = [Conversation(messages=(Message(role="user", content=texts[each]),)).to_row() for each in chosen]
        write_table(store.rows_file(block), pa.Table.from_pylist(records, schema=RECORD))
        rows += [passed(each, texts[each], block=block, offset=offset) for offset, each in enumerate(chosen)]
    index = index_of(rows)
    asked = np.arange(2, len(rows))
    texts_asked = [texts[number] for block in range(3) for number in range(block, len(texts), 3)][2:]
    pairs = np.array(list(combinations(range(len(asked)), 2)))
    found = similarity_of_rows(store, index, threshold)(asked)(pairs)
    estimates = estimated_similarity(index.sketch[asked])(pairs)
    exact = text_similarity(texts_asked.__getitem__)(pairs)
    assert set(found.tolist()) <= set(exact.tolist()) | set(estimates.tolist())
    assert (found != exact).any(), "texts far from the threshold need not be read"
    assert ((found >= threshold) == (exact >= threshold)).all()


@given(some_rows, st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_caps(given_rows: list[dict[str, Any]], cap: int) -> None:
    index = index_of(given_rows)
    before = decided(index, config(**KEEP_SIMILAR))
    decisions = decided(index, config(calls_per_tool=cap, **KEEP_SIMILAR))
    calls: Counter[str] = Counter()
    expected = reasons(before)
    for position in sorted(np.flatnonzero(before.kept).tolist(), key=lambda row: given_rows[row]["id"]):
        names = given_rows[position]["calls"]
        if names and all(calls[name] >= cap for name in names):
            expected[position] = Reason.CAPPED
        else:
            calls.update(names)
    assert reasons(decisions) == expected


@given(some_rows, st.randoms(use_true_random=False), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_decides_only_which_of_duplicates_stays(
    given_rows: list[dict[str, Any]], random: Any, cap: int
) -> None:
    # Rows with one id call the same tools; otherwise the first one's would count.
    calls = {row["id"]: row["calls"] for row in given_rows}
    given_rows = [row | {"calls": calls[row["id"]] if row["reason"] is None else []} for row in given_rows]
    shuffled = random.sample(given_rows, len(given_rows))

    def kept_ids(some: list[dict[str, Any]], **changes: Any) -> list[bytes]:
        decisions = decided(index_of(some), config(calls_per_tool=cap, **changes))
        return sorted(some[position]["id"] for position in np.flatnonzero(decisions.kept))

    assert kept_ids(given_rows, **KEEP_SIMILAR) == kept_ids(shuffled, **KEEP_SIMILAR)

    def clusters(some: list[dict[str, Any]]) -> set[frozenset[bytes]]:
        found: dict[int, set[bytes]] = {}
        decisions = decided(index_of(some), config())
        # A duplicate points at the first of its id, which may itself be a near duplicate.
        for position, earlier in enumerate(decisions.earlier.tolist()):
            if some[position]["reason"] is None:
                found.setdefault(int(decisions.earlier[earlier]), set()).add(some[position]["id"])
        return {frozenset(members) for members in found.values()}

    assert clusters(given_rows) == clusters(shuffled)


@given(some_rows, st.integers(0, 2), st.booleans())
@settings(max_examples=25, deadline=None)
def test_counts_add_up(given_rows: list[dict[str, Any]], cap: int, similar: bool) -> None:
    given_rows.sort(key=lambda row: row["place"])
    index = index_of(given_rows)
    decisions = decided(index, config(calls_per_tool=cap, near_duplicates={"drop": similar}))
    counts = count_sources(index, decisions, PLACES, read_of(index))
    assert list(counts) == ["a", "b"]
    for name, each in counts.items():
        own = [position for position, row in enumerate(given_rows) if PLACES[row["place"]][0] == name]
        assert each.read == each.rows == len(own)
        assert each.kept == int(decisions.kept[own].sum())
        found = Counter(str(reason) for position in own if (reason := reasons(decisions)[position]))
        assert each.dropped == dict(sorted(found.items()))
        add_up(each)


def read_of(index: Index) -> Counter[str]:
    """The rows of each source's files, were no row lost."""
    names = [PLACES[place][0] for place, part in zip(index.place, index.part, strict=True) if part == 0]
    return Counter(names)


def add_up(counts: SourceCounts) -> None:
    """What one stage keeps the next gets, and in the end all is kept or dropped."""
    left = counts.read
    for stage in counts.stages.values():
        assert stage.read == left == stage.kept + sum(stage.dropped.values())
        left = stage.kept
    assert left == counts.kept == counts.read - sum(counts.dropped.values())


def test_a_row_of_several_conversations_is_one_row() -> None:
    index = index_of([passed(1), passed(2, part=1), dropped(row=1), passed(3, place=2)])
    counts = count_sources(index, decided(index, config()), PLACES, {"a": 2, "b": 1})
    assert (counts["a"].rows, counts["a"].read, counts["a"].kept) == (2, 3, 2)
    assert counts["a"].stages["structure"].dropped == {"roles_error": 1}
    add_up(counts["a"])


def test_lost_rows_are_an_error() -> None:
    index = index_of([passed(1), passed(2, row=1)])
    decisions = decided(index, config())
    with pytest.raises(AccountingError, match="3 rows were counted in its files and 2 read"):
        count_sources(index, decisions, PLACES[:1], {"a": 3})
    decisions.reason[0] = REASONS.index(Reason.DUPLICATE)  # dropped by no stage
    with pytest.raises(AccountingError, match="do not add up"):
        count_sources(index, decisions, PLACES[:1], {"a": 2})


def test_nothing_kept_is_an_error_that_says_why() -> None:
    index = index_of([dropped("tokenise", "too_long"), dropped("tokenise", "too_long", row=1), dropped(row=2)])
    counts = count_sources(index, decided(index, config()), PLACES[:1], {"a": 3})
    with pytest.raises(NothingKeptError, match=r"none of the 3 rows .*\(too_long 2, roles_error 1\)"):
        require_kept(counts)
    require_kept(count_sources(index_of([passed(1)]), decided(index_of([passed(1)]), config()), PLACES[:1], {"a": 1}))


@given(some_rows, st.sampled_from([0.5, 1, 2.25]))
@settings(max_examples=25, deadline=None)
def test_a_line_takes_its_places_kept_rows(given_rows: list[dict[str, Any]], ratio: float) -> None:
    index = index_of(given_rows)
    available = decided(index, config()).kept
    entries = [{"source": "a", "split": "dev", "ratio": ratio}, {"source": "b", "kinds": ["single"]}]
    made = config(mixture=entries)
    lines = mix(index, available, PLACES, made)
    assert [line.entry for line in lines] == list(made.mixture)
    own = [np.flatnonzero(available & (index.place == place)) for place in (1, 2)]
    assert lines[0].rows.tolist() == own[0][select(index.ids[own[0]], made.mixture[0], made.seed)].tolist()
    assert lines[1].rows.tolist() == [row for row in own[1] if given_rows[row]["kind"] == "single"]


def test_without_a_mixture_every_source_is_taken_once() -> None:
    index = index_of([passed(1), passed(2, place=1), passed(3, place=2), dropped()])
    lines = mix(index, decided(index, config()).kept, PLACES, config())
    assert [line.rows.tolist() for line in lines] == [[0], [1], [2]]

"""The index in arrays, against the rows it is made of."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.index import PASSED, REASONS, STAGES, IndexBuilder
from octupus.data.records import INDEX
from tests.data.index_rows import dropped, index_of, passed, table

names = st.sampled_from(["get_weather", "查询", "", "f"])
numbers = st.integers(0, 2**31 - 1)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row with every column drawn."""
    others = {
        **{name: draw(numbers) for name in ("place", "part", "block", "offset", "tokens", "trained_tokens")},
        "row": draw(st.integers(0, 2**40)),
        "augmentations": draw(st.integers(0, 63)),
        "flags": draw(st.lists(names, max_size=3)),
        "calls": draw(st.lists(names, max_size=3)),
    }
    if draw(st.booleans()):
        return dropped(str(draw(st.sampled_from(STAGES))), str(draw(st.sampled_from(REASONS))), **others)
    kind, language = draw(st.sampled_from(["chat", "single"])), draw(st.sampled_from(["en", "zh", ""]))
    return passed(draw(numbers), draw(st.text(max_size=30)), kind=kind, language=language, **others)


@given(st.lists(rows(), min_size=1, max_size=12), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_the_index_holds_what_the_tables_hold(given_rows: list[dict[str, Any]], parts: int) -> None:
    index = index_of(given_rows, min(parts, len(given_rows)))
    assert len(index) == len(given_rows)
    for name in ("place", "row", "part", "block", "offset", "tokens", "trained_tokens", "augmentations"):
        column = getattr(index, name)
        assert column.tolist() == [row[name] for row in given_rows]
        assert column.dtype == INDEX.field(name).type.to_pandas_dtype()
    for name, members in (("stage", STAGES), ("reason", REASONS)):
        codes = getattr(index, name).tolist()
        assert [None if code == PASSED else str(members[code]) for code in codes] == [row[name] for row in given_rows]
    assert index.passed.tolist() == [row["reason"] is None for row in given_rows]
    for name, dtype in (("id", np.uint8), ("bands", np.uint64), ("sketch", np.uint8)):
        matrix = getattr(index, "ids" if name == "id" else name)
        assert matrix.dtype == dtype
        assert [each.tobytes() for each in matrix] == [row[name] for row in given_rows]
    for name in ("kind", "language"):
        column = getattr(index, name)
        assert [column.vocabulary[code] for code in column.codes] == [row[name] for row in given_rows]
    for name in ("flags", "calls"):
        column = getattr(index, name)
        spans = zip(column.starts().tolist(), column.ends.tolist(), strict=True)
        lists = [[column.vocabulary[code] for code in column.codes[start:end]] for start, end in spans]
        assert lists == [row[name] for row in given_rows]


@given(st.lists(st.lists(names, max_size=3), min_size=1, max_size=12), st.data())
@settings(max_examples=40, deadline=None)
def test_names_of_chosen_rows(flags: list[list[str]], data: st.DataObject) -> None:
    column = index_of([passed(number, flags=each) for number, each in enumerate(flags)]).flags
    chosen = np.array(sorted(data.draw(st.sets(st.sampled_from(range(len(flags)))))), np.int64)
    expected = [flags[row] for row in chosen]
    codes, offsets = column.lists(chosen)
    written = [column.vocabulary[code] for code in codes]
    assert [written[start:end] for start, end in pairwise(offsets)] == expected
    counts = column.counts(chosen)
    assert counts == Counter(name for each in expected for name in each)
    assert list(counts) == sorted(counts)


def test_more_rows_may_follow_what_is_built() -> None:
    builder = IndexBuilder()
    builder.add(table([passed(1, calls=["f", "g"])]))
    assert len(builder.build()) == 1
    builder.add(table([dropped(row=1), passed(2, row=2, calls=["g"])]))
    index = builder.build()
    assert index.row.tolist() == [0, 1, 2]
    assert index.calls.vocabulary == ("f", "g")
    assert index.calls.counts(np.arange(3)) == {"f": 1, "g": 2}
    assert index.passed.tolist() == [True, False, True]


def test_without_sketches() -> None:
    index = index_of([passed(1, bands=b"", sketch=b""), dropped(bands=b"", sketch=b"")])
    assert index.bands.shape == index.sketch.shape == (2, 0)

"""Published scores: counted, read back, compared and shown."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.ancestors import COLUMNS, V3
from octupus.evaluate.bfcl.columns import row
from octupus.evaluate.bfcl.compare import Change, compare
from octupus.evaluate.bfcl.outcomes import Outcome
from octupus.evaluate.bfcl.published import Published, published, read_published
from octupus.evaluate.bfcl.report import write_report
from octupus.evaluate.bfcl.results import Faults, Result
from octupus.evaluate.bfcl.run_directory import RunDirectory
from octupus.evaluate.bfcl.tables import comparison_table, scores_table

MEASURED = {"benchmark": "BFCL v4", "harness": "bfcl-eval 1", "model": "m", "api": "chat", "constrained": True}
MEASURED |= {"temperature": 0.001, "dialect": "octupus"}
NO_FAULTS = Faults({}, {}, [])


def run(right: dict[str, bool], faults: Faults = NO_FAULTS, **measured: object) -> Published:
    outcomes = [Outcome(item_id, item_id.rpartition("_")[0], value) for item_id, value in right.items()]
    results = {outcome.id: Result(outcome.id, outcome.category, "text", None, 1, 10, 5, 0.1) for outcome in outcomes}
    return published(MEASURED | measured, outcomes, results, faults, 2.0)


def printed(value: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(value)
    return console.file.getvalue()  # type: ignore[attr-defined]


FIRST = {"multiple_0": True, "multiple_1": False, "live_simple_0-0-0": True, "irrelevance_0": True}


def test_scores_are_read_back_and_shown_with_what_must_be_known(tmp_path: Path) -> None:
    faults = Faults({"multiple_1": "timed out"}, {"multiple_0": "f: no JSON"}, ["irrelevance_1"])
    whole = run(FIRST, faults)
    whole.write(tmp_path / "scores.json")
    assert read_published(tmp_path) == whole
    text = printed(scores_table(whole))
    assert "NOT TO BE TRUSTED: 1 items failed in inference and 1 have no result" in text
    assert "NOT TO BE TRUSTED" not in printed(scores_table(run(FIRST)))
    assert "web_search_base" in text
    assert "another version of the benchmark" in text
    assert dict(zip(COLUMNS, row(whole), strict=True))["Multiple"] == 50.0
    assert all(len(values) == len(COLUMNS) for values in V3.values())
    with pytest.raises(EvaluationError, match=r"has no scores\.json"):
        read_published(tmp_path / "nowhere")
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(EvaluationError, match=r"is no scores\.json"):
        read_published(tmp_path)


@given(
    st.dictionaries(
        st.sampled_from([f"multiple_{n}" for n in range(9)]), st.tuples(st.booleans(), st.booleans()), min_size=1
    )
)
def test_every_change_is_listed_once(both: dict[str, tuple[bool, bool]]) -> None:
    first, second = (run({item_id: pair[side] for item_id, pair in both.items()}) for side in (0, 1))
    found = compare(first, second)
    assert set(found.overall.gained) == {item_id for item_id, pair in both.items() if pair == (False, True)}
    assert set(found.overall.lost) == {item_id for item_id, pair in both.items() if pair == (True, False)}
    assert found.categories == {"multiple": found.overall}
    back = compare(second, first)
    assert (back.overall.gained, back.overall.lost) == (found.overall.lost, found.overall.gained)
    assert back.overall.p_value == found.overall.p_value <= 1


def test_significance_is_the_exact_mcnemar_test() -> None:
    # Twice the chance of at most 1 head in 9 throws.
    assert Change(50, tuple("abcdefgh"), ("z",)).p_value == pytest.approx(2 * 10 / 2**9)
    assert Change(50, (), ()).p_value == 1.0


def test_runs_of_other_versions_are_not_compared() -> None:
    first = run(FIRST)
    text = printed(
        comparison_table(
            first,
            run({"multiple_0": False, "multiple_2": True}),
            compare(first, run({"multiple_0": False, "multiple_2": True})),
        )
    )
    assert "lost: multiple_0" in text
    assert "left out: 3 items of the first run alone, 1 of the second" in text
    with pytest.raises(EvaluationError, match="another harness"):
        compare(first, run(FIRST, harness="bfcl-eval 2"))
    with pytest.raises(EvaluationError, match="no item in common"):
        compare(first, run({"multiple_7": True}))


def test_the_report_shows_each_wrong_item(tmp_path: Path) -> None:
    verdict = {
        "prompt": {"question": [[{"role": "user", "content": "<b>2 + 2?"}]]},
        "possible_answer": [{"add": {"a": [2]}}],
        "error": ["Wrong number of functions."],
    }
    whole = run({"multiple_0": False, "irrelevance_0": False})
    results = {"multiple_0": Result("multiple_0", "multiple", [{"add": '{"a": 3}'}], None, 1, 1, 1, 1.0)}
    results["irrelevance_0"] = replace(results["multiple_0"], id="irrelevance_0", category="irrelevance")
    outcomes = [Outcome("multiple_0", "multiple", False, verdict), Outcome("irrelevance_0", "irrelevance", False)]
    write_report(tmp_path / "report.html", whole, outcomes, results)
    text = (tmp_path / "report.html").read_text()
    assert "user: &lt;b&gt;2 + 2?" in text
    assert "Wrong number of functions." in text
    assert '<details id="irrelevance_0">' in text
    assert "no call" in text


def test_a_directory_belongs_to_what_it_was_begun_with(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.claim({"model": "a", "api": "chat"})
    directory.claim({"model": "a", "api": "chat"})
    with pytest.raises(EvaluationError, match="model: 'a' there, 'b' here"):
        directory.claim({"model": "b", "api": "chat"})
    with directory.alone(), pytest.raises(EvaluationError, match="another process is at work"), directory.alone():
        pass
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(EvaluationError, match="holds files and no run"):
        RunDirectory(tmp_path / "mine").claim({"model": "a"})
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]

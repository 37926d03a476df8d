"""Whole evaluations against a real HTTP endpoint that judges as it is told, and by golden answers."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from octupus.agent.judge.config import EvaluateToolbenchConfig
from octupus.agent.judge.prompts import digest_of
from octupus.agent.judge.run import evaluate_toolbench
from octupus.agent.judge.statistics import coin
from octupus.config import resolve
from octupus.errors import ConfigError, EvaluationError
from tests.teacher_server import Reply

from .answers import call, entry, write
from .judging_server import JudgingServer, described, judging_server, said

QUERIES = 12


def candidates(directory: Path) -> dict[str, str]:
    """`good` answers right, `bad` wrong, gives up, does not finish, calls what is not offered, or leaves it out."""
    good = {str(number): entry(f"right {number}", f"Question {number}?") for number in range(QUERIES)}
    bad = {str(number): entry(f"wrong {number}", f"Question {number}?") for number in range(QUERIES - 1)}
    bad["0"] = entry("right 0", "Question 0?")
    bad["1"] = entry(None, "Question 1?", kind="give_up_and_restart")
    bad["2"] = entry("wrong 2", "Question 2?", finished=False)
    bad["3"] = entry("wrong 3", "Question 3?", calls=(call("fly", {}),))
    return {
        "good": str(write(directory / "good.json", good)),
        "bad": str(write(directory / "bad<script>.json", bad)),
    }


def honest(task: str, material: dict[str, Any], seed: int) -> Reply | str:
    if task == "task_status":
        return "Unsolvable" if material["query"] == "Question 4?" else "Solvable"
    if task == "preference":
        return "tie"
    return "Solved" if material["answer"].startswith("right") else "Unsolved"


def configuration(server: JudgingServer, directory: Path, **settings: Any) -> EvaluateToolbenchConfig:
    values: dict[str, Any] = {
        "candidates": candidates(directory),
        "model": "judge",
        "endpoint": {"base_url": server.base_url, "max_attempts": 1},
        "output": str(directory / "out"),
        "reference": "good",
    }
    return resolve(EvaluateToolbenchConfig, values | settings)


def run(config: EvaluateToolbenchConfig) -> dict[str, Any]:
    told = asyncio.run(evaluate_toolbench(config))
    assert str(config.output / "report.html") in told
    found: dict[str, Any] = json.loads((config.output / "results.json").read_text("utf-8"))
    return found


def test_an_honest_judge(tmp_path: Path) -> None:
    with judging_server(honest) as server:
        config = configuration(server, tmp_path)
        found = run(config)
        asked = len(server.requests)
        assert run(config) == found
        assert len(server.requests) == asked
    good, bad = found["candidates"]["good"], found["candidates"]["bad"]
    assert (good["pass_rate"]["mean"], good["sopr"]["mean"], good["pass_rate"]["standard_error"]) == (1, 1, 0)
    # Right on 0; 4 cannot be solved, so that its wrong answer passes, but it is not solved.
    assert {query for query, row in bad["queries"].items() if row["score"]} == {"0", "4"}
    assert bad["pass_rate"]["mean"] == pytest.approx(2 / QUERIES)
    assert bad["pass_rate"]["standard_error"] == pytest.approx((1 / 6 * 5 / 6 / QUERIES) ** 0.5)
    assert bad["pass_rate"]["failed_without_judge"] == 2
    assert bad["sopr"]["mean"] == pytest.approx(1 / QUERIES)
    assert (bad["answers"], bad["unanswered"]) == (QUERIES - 1, 1)
    assert (bad["hallucination"]["hallucinating"], bad["hallucination"]["names"]) == (1, {"fly": 1})
    # Equal on 0 and 4 where both pass; everything else is lost outright.
    assert bad["win_rate"]["tie"]["mean"] == pytest.approx(2 / QUERIES)
    assert bad["win_rate"]["lose"]["mean"] == pytest.approx(10 / QUERIES)
    assert (bad["win_rate"]["decided_without_judge"], good["win_rate"]) == (10, None)
    assert found["missing_votes"] == {}
    assert set(server.asked_votes().values()) == {1}
    report = (config.output / "report.html").read_text("utf-8")
    assert "All 10 that do not pass" in report
    for chart in re.findall(r"<svg.*?</svg>", report, re.DOTALL):
        assert ElementTree.fromstring(chart).tag == "svg"
    assert report.count("<svg") == 3
    assert "no answer" in (config.output / "summary.txt").read_text("utf-8")


def test_a_judge_of_known_shares_gives_them_back(tmp_path: Path) -> None:
    """Each vote is Solved with probability 0.8, Unsure 0.1 and Unsolved 0.1, by its seed."""
    queries = 50
    answers = {str(number): entry("maybe", f"Question {number}?") for number in range(queries)}
    one_file = {"one": str(write(tmp_path / "many.json", answers))}

    def drawn(task: str, material: dict[str, Any], seed: int) -> Reply | str:
        if task == "task_status":
            return "Solvable"
        return "Solved" if seed % 10 < 8 else "Unsolved" if task.endswith("steps") or seed % 10 == 8 else "Unsure"

    with judging_server(drawn) as server:
        found = run(configuration(server, tmp_path, candidates=one_file, reference=None, votes=3, ties="half"))
    one = found["candidates"]["one"]
    # Unsure (0.1) is asked again by its steps: Solved with 0.8, else Unsolved. So a vote is Solved with 0.88.
    solved, majority = 0.88, 0.88**3 + 3 * 0.88**2 * 0.12
    assert one["sopr"]["mean"] == pytest.approx(solved, abs=4 * (solved * 0.12 / queries / 3) ** 0.5)
    assert one["pass_rate"]["mean"] == pytest.approx(majority, abs=4 * (majority * (1 - majority) / queries) ** 0.5)
    assert len(one["sopr"]["runs"]) == 3
    assert one["sopr"]["std_over_runs"] > 0


def test_missing_votes_refuse_the_score_unless_they_are_allowed(tmp_path: Path) -> None:
    def never_of_three(task: str, material: dict[str, Any], seed: int) -> Reply | str:
        if task == "answer_status" and material["query"] == "Question 3?":
            return said("I cannot say.")
        return honest(task, material, seed)

    with judging_server(never_of_three) as server:
        config = configuration(server, tmp_path)
        with pytest.raises(EvaluationError, match=r"8 votes are missing \(8 invalid"):
            run(config)
        assert not (config.output / "results.json").exists()
        found = run(config.model_copy(update={"allow_missing": True}))
        assert sum(found["missing_votes"].values()) == 8
        server.policy = honest
        with pytest.raises(EvaluationError, match="raise attempts for invalid ones"):
            run(config)
        whole = run(config.model_copy(update={"attempts": 4}))
    assert found["candidates"]["good"]["pass_rate"]["n"] == QUERIES - 1
    assert whole["missing_votes"] == {}
    assert whole["candidates"]["good"]["pass_rate"]["mean"] == 1


def test_an_endpoint_that_fails_half_way_is_resumed_without_asking_twice(tmp_path: Path) -> None:
    answered: list[tuple[str, str, int]] = []

    def failing(task: str, material: dict[str, Any], seed: int) -> Reply | str:
        if len(answered) >= 40:
            return Reply(status=503)
        answered.append((task, json.dumps(material, sort_keys=True), seed))
        return honest(task, material, seed)

    with judging_server(failing) as server:
        config = configuration(server, tmp_path)
        with pytest.raises(EvaluationError, match="votes are missing"):
            run(config)
        kept = {
            (line["task"], line["digest"], line["seed"])
            for line in map(json.loads, (config.output / "votes.jsonl").read_text().splitlines()[1:])
            if line["kind"] == "verdict"
        }
        assert len(kept) == 40
        server.requests.clear()
        server.policy = honest
        resumed = run(config)
        asked = [
            (described(request)[0], digest_of(request["messages"]), request["seed"]) for request in server.requests
        ]
        assert len(asked) == len(set(asked))
        assert not set(asked) & kept
    with judging_server(honest) as server:
        directory = tmp_path / "fresh"
        directory.mkdir()
        fresh = run(configuration(server, directory))
    for found in (resumed, fresh):
        del found["judge_replies"]
    assert resumed == fresh


def test_more_votes_ask_only_for_the_new_ones_and_other_settings_are_refused(tmp_path: Path) -> None:
    with judging_server(honest) as server:
        config = configuration(server, tmp_path, reference=None, votes=2, runs=2, solvability=False)
        run(config)
        before = set(server.asked_votes())
        run(config.model_copy(update={"votes": 3, "runs": 3}))
        assert set(server.asked_votes().values()) == {1}
        assert len(set(server.asked_votes())) == len(before) * 3 // 2
        with pytest.raises(EvaluationError, match="seed was 0 and is now 1"):
            run(config.model_copy(update={"seed": 1}))


def golden_run(directory: Path, golden: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
    path = directory / "golden.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in golden))
    values = {"candidates": candidates(directory), "judge": "rule", "golden": str(path), "reference": "bad"}
    return run(resolve(EvaluateToolbenchConfig, values | {"output": str(directory / "out")} | settings))


def test_golden_answers_need_no_endpoint(tmp_path: Path) -> None:
    golden: list[dict[str, Any]] = [
        {"query_id": str(number), "answers": [f"right {number}"]} for number in range(QUERIES) if number != 1
    ]
    golden.append({"query_id": "1", "solvable": False})
    found = golden_run(tmp_path, golden)
    good, bad = found["candidates"]["good"], found["candidates"]["bad"]
    assert {query for query, row in good["queries"].items() if not row["score"]} == {"1"}
    assert {query for query, row in bad["queries"].items() if row["score"]} == {"0", "1"}
    assert (good["win_rate"]["win"]["mean"], good["win_rate"]["lose"]["mean"]) == pytest.approx((10 / 12, 1 / 12))
    assert (found["votes"], found["runs"], found["judge_replies"]) == (1, 1, {})
    assert not (tmp_path / "out" / "votes.jsonl").exists()


def test_queries_that_count(tmp_path: Path) -> None:
    golden = [{"query_id": str(number), "answers": ["right"]} for number in (0, 5, 99)]
    with pytest.raises(EvaluationError, match="queries have no golden answer"):
        golden_run(tmp_path, golden)
    listed = write(tmp_path / "queries.json", [{"query_id": 0}, {"query_id": 99}])  # type: ignore[arg-type]
    good = golden_run(tmp_path, golden, queries=str(listed))["candidates"]["good"]
    assert {query: row["score"] for query, row in good["queries"].items()} == {"0": 1, "99": 0}
    assert good["queries"]["99"]["votes"][0]["reason"] == "no answer to this query"
    listed.write_text('[{"query_id": 1}, {"query_id": "1"}]')
    with pytest.raises(EvaluationError, match="names query 1 twice"):
        golden_run(tmp_path, golden, queries=str(listed))
    listed.write_text('{"77": 0}')
    with pytest.raises(EvaluationError, match="queries have no golden answer"):
        golden_run(tmp_path, golden, queries=str(listed))


def test_candidates_of_different_query_files_are_refused(tmp_path: Path) -> None:
    other = write(tmp_path / "other.json", {"0": entry("x", "Something else?")})
    good = candidates(tmp_path)["good"]
    golden = [{"query_id": str(number), "answers": ["right"]} for number in range(QUERIES)]
    with pytest.raises(EvaluationError, match="query 0 is another one for other than for good"):
        golden_run(tmp_path, golden, candidates={"good": good, "other": str(other)}, reference=None)


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(EvaluationError, match="choose another directory"):
        golden_run(tmp_path, [{"query_id": "0", "answers": ["right"]}])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"judge": "rule"}, "golden is required"),
        ({"golden": "g.jsonl"}, "not shown to an endpoint"),
        ({"model": ""}, "model is required"),
        ({"reference": "nobody"}, "'nobody' is none of the candidates good, bad"),
        ({"candidates": {"good": "x"}}, "no other candidate"),
        ({"sampling": {"seed": 3}}, "would make all votes alike"),
        ({"endpoint": {"base_url": "localhost:8000"}}, "is no http address"),
        ({"endpoint": {"base_url": "http://me:word@x/v1"}}, "holds a password"),
        ({"votes": 0}, "votes"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with judging_server(honest) as server, pytest.raises(ConfigError, match=told):
        configuration(server, tmp_path, **settings)


def test_the_key_is_sent_and_stands_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with judging_server(honest) as server:
        endpoint = {"base_url": server.base_url, "max_attempts": 1, "api_key_env": "JUDGE_KEY"}
        config = configuration(server, tmp_path, endpoint=endpoint)
        with pytest.raises(ConfigError, match="JUDGE_KEY, which is not set"):
            run(config)
        monkeypatch.setenv("JUDGE_KEY", "sk-very-secret")
        run(config)
    assert set(server.authorization) == {"Bearer sk-very-secret"}
    for path in config.output.iterdir():
        assert b"sk-very-secret" not in path.read_bytes()


def test_half_characters_of_a_judge_are_written(tmp_path: Path) -> None:
    odd = Reply(message={"role": "assistant", "content": '{"reason": "\\ud83d", "status": "Unsolved"}'})
    with judging_server(lambda task, material, seed: "Solvable" if task == "task_status" else odd) as server:
        found = run(configuration(server, tmp_path, reference=None))
    assert found["candidates"]["good"]["queries"]["0"]["votes"][0]["reason"] == "?"


def test_random_ties_follow_from_the_seed(tmp_path: Path) -> None:
    def split(task: str, material: dict[str, Any], seed: int) -> Reply | str:
        return honest(task, material, seed) if task == "task_status" else "Solved" if seed & 1 else "Unsolved"

    with judging_server(split) as server:
        found = run(configuration(server, tmp_path, reference=None, ties="random", votes=2, runs=2, solvability=False))
    for query, row in found["candidates"]["good"]["queries"].items():
        said = [vote["answer"] for vote in row["votes"]]
        if len(set(said)) == 2:
            assert row["score"] == coin(0, "tie", "good", query)
        else:
            assert row["score"] == (said[0] == "Solved")

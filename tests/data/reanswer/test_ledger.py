import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.ledger import LEDGER, LedgerError, check_settings, read_index, settings_of
from octupus.data.reanswer.recorder import Recorder
from octupus.endpoint.outcome import Answer, Failure

SETTINGS: dict[str, Any] = {"model": "m", "sampling.temperature": 0.7}


async def recorded(output: Path, *outcomes: Any, settings: dict[str, Any] = SETTINGS) -> Recorder:
    """One run that records outcomes as (row, part, turn, outcome), all at once."""
    recorder = Recorder(output, settings, lock_wait_s=0.3)
    await recorder.open()
    await asyncio.gather(*(recorder.record((row, part, turn), outcome) for row, part, turn, outcome in outcomes))
    return recorder


def end(recorder: Recorder) -> None:
    os.close(recorder._lock)
    os.close(recorder._file)


def run(output: Path, *outcomes: Any, settings: dict[str, Any] = SETTINGS) -> None:
    end(asyncio.run(recorded(output, *outcomes, settings=settings)))


def test_what_is_recorded_is_found_again(tmp_path: Path) -> None:
    answer = Answer(content="half \ud83d", tokens_in=3, tokens_out=2, retries={"status_429": 1})
    run(tmp_path, *((row, part, 1, answer) for row in (5, 3, 4) for part in range(3)))
    run(tmp_path, (4, 1, 3, Failure(reason="timeout", retries={"timeout": 2})))
    index = read_index(tmp_path / LEDGER)
    assert index.outcomes(5, 2) == {1: answer}
    assert index.outcomes(4, 1) == {1: answer, 3: Failure(reason="timeout", retries={"timeout": 2})}
    assert index.outcomes(5, 3) == {}
    assert (index.totals.answers, index.totals.tokens_in, index.totals.runs) == (9, 27, 2)
    assert index.totals.retries == {"status_429": 9, "timeout": 2}


def test_an_answer_outlasts_failures_and_the_first_answer_counts(tmp_path: Path) -> None:
    run(tmp_path, (0, 0, 1, Failure(reason="timeout")))
    run(tmp_path, (0, 0, 1, Answer(content="first")))
    run(tmp_path, (0, 0, 1, Answer(content="second")), (0, 0, 1, Failure(reason="status_500")))
    assert read_index(tmp_path / LEDGER).outcomes(0, 0) == {1: Answer(content="first")}


def test_two_answers_in_one_run_become_one_line(tmp_path: Path) -> None:
    async def twice() -> Any:
        recorder = await recorded(tmp_path, (0, 0, 1, Answer(content="first")))
        kept = await recorder.record((0, 0, 1), Answer(content="second"))
        known = await recorder.answered([(0, 0), (1, 0)])
        await recorder.settle([(0, 0)])
        assert await recorder.answered([(0, 0)]) == [{}]
        end(recorder)
        return kept, known

    kept, known = asyncio.run(twice())
    assert kept == Answer(content="first")
    assert known == [{1: Answer(content="first")}, {}]
    assert len((tmp_path / LEDGER).read_bytes().splitlines()) == 3


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_torn_last_line_is_dropped_wherever_it_ends(tmp_path: Path, kept: int) -> None:
    run(tmp_path, (0, 0, 1, Answer(content="whole")))
    path = tmp_path / LEDGER
    whole = path.read_bytes()
    run(tmp_path, (1, 0, 1, Answer(content="torn")))
    torn = path.read_bytes()
    start = len(whole) + torn[len(whole) :].index(b"\n") + 1  # behind the second run's own line
    path.write_bytes(torn[: start + kept])
    assert read_index(path).size == start
    run(tmp_path, (1, 0, 1, Answer(content="again")))
    index = read_index(path)
    assert index.outcomes(0, 0) == {1: Answer(content="whole")}
    assert index.outcomes(1, 0) == {1: Answer(content="again")}
    assert index.size == path.stat().st_size


def test_a_torn_header_is_an_empty_ledger(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_bytes(b'{"ledger": 1, "sett')
    check_settings(tmp_path / LEDGER, SETTINGS)
    run(tmp_path, (0, 0, 1, Answer(content="a")))
    assert json.loads((tmp_path / LEDGER).read_bytes().splitlines()[0])["settings"] == SETTINGS


def test_damage_in_the_middle_is_told_with_its_line(tmp_path: Path) -> None:
    run(tmp_path, (0, 0, 1, Answer(content="a")))
    path = tmp_path / LEDGER
    path.write_bytes(path.read_bytes() + b'{"row": 1,\n' + b'{"run": "x"}\n')
    with pytest.raises(LedgerError, match=r"ledger\.jsonl:4 is no JSON"):
        read_index(path)


def test_other_settings_are_refused_with_both_values(tmp_path: Path) -> None:
    run(tmp_path, (0, 0, 1, Answer(content="a")))
    with pytest.raises(LedgerError, match=r"sampling\.temperature was 0\.7 and is now 0\.2"):
        run(tmp_path, settings=SETTINGS | {"sampling.temperature": 0.2})


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"model": "other"}, {"model"}),
        ({"sampling": {"temperature": 0.1, "seed": 3}}, {"sampling.temperature", "sampling.seed"}),
        ({"system_prompt": "Be brief."}, {"system_prompt"}),
        ({"turns": "last"}, {"turns"}),
        ({"endpoint": {"base_url": "http://elsewhere/v1", "timeout_s": 1}, "concurrency": 3, "actors": 2}, set()),
        ({"on_length": "keep", "output_format": "parquet", "write_system_prompt": False}, set()),
    ],
)
def test_which_settings_the_answers_depend_on(changes: dict[str, Any], names: set[str]) -> None:
    values = {"input": "in.jsonl", "output": "out", "model": "m", "endpoint": {"base_url": "http://x/v1"}}
    first = settings_of(ReanswerConfig.model_validate(values), "alpaca", "hash")
    second = settings_of(ReanswerConfig.model_validate(values | changes), "alpaca", "hash")
    assert {name for name in first if first[name] != second[name]} == names


def test_a_second_writer_waits_and_is_refused(tmp_path: Path) -> None:
    async def both() -> None:
        first = await recorded(tmp_path)
        with pytest.raises(LedgerError, match="another run writes"):
            await recorded(tmp_path)
        end(first)
        end(await recorded(tmp_path))

    asyncio.run(both())


def test_a_failed_write_is_heard_of_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def full(file: int, data: bytes, at: int) -> int:
        real(file, data[:5], at)
        raise OSError(28, "No space left on device")

    async def fail() -> None:
        recorder = await recorded(tmp_path, (0, 0, 1, Answer(content="a")))
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(LedgerError, match="No space left"):
            await recorder.record((1, 0, 1), Answer(content="b"))
        monkeypatch.undo()
        await recorder.record((2, 0, 1), Answer(content="c"))
        end(recorder)

    asyncio.run(fail())
    index = read_index(tmp_path / LEDGER)
    assert index.outcomes(1, 0) == {}
    assert index.outcomes(2, 0) == {1: Answer(content="c")}

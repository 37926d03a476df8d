"""jobs/evaluate_calls.py as it is run: by a process of its own, with flags, against an HTTP endpoint."""

import json
import subprocess
import sys
from pathlib import Path

from octupus.evaluate.scoring import Reply

from .evaluate.calls.answering_server import answering_server
from .evaluate.calls.conversations import no_call, weather
from .evaluate.calls.test_dataset import write_records

ROOT = Path(__file__).parents[1]


def job(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "jobs/evaluate_calls.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_job_prints_the_table_and_an_endpoint_that_is_gone_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "held_out.parquet"
    write_records(path, [weather("Rome"), weather("Oslo"), no_call("Sing.")])
    answer = Reply(calls=(("weather", '{"city": "Rome"}'),))
    with answering_server(lambda request: answer) as server:
        endpoint = ("--endpoint.base_url", server.base_url, "--endpoint.model", "small")
        data = ("--data.0.path", path, *endpoint)
        done = job(*data, "--output", tmp_path / "run")
        assert done.returncode == 0, done.stderr
        assert "small: 3 requests, 0 failed" in done.stdout
        assert done.stdout.rstrip().endswith(str(tmp_path / "run" / "report.html"))
        scores = json.loads((tmp_path / "run" / "calls.json").read_text("utf-8"))
        assert (scores["overall"]["ast"]["count"], scores["overall"]["irrelevance"]["count"]) == (1, 0)
    gone = job(*data, "--output", tmp_path / "other")
    assert gone.returncode == 2
    assert gone.stderr.splitlines()[-1].startswith(f"error: the endpoint {server.base_url} cannot be reached")
    assert "Traceback" not in gone.stderr
    assert not (tmp_path / "other").exists()

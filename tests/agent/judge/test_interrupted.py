"""The job itself, killed with SIGKILL in its middle and started again: no vote that came is asked for twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.teacher_server import Reply

from .answers import entry, write
from .judging_server import judging_server, verdict

ROOT = Path(__file__).parents[3]
QUERIES, VOTES, CONCURRENCY = 20, 4, 4


def test_a_killed_job_goes_on(tmp_path: Path) -> None:
    answers = {str(number): entry(f"right {number}", f"Question {number}?") for number in range(QUERIES)}
    path = write(tmp_path / "answers.json", answers)

    def slow(task: str, material: dict[str, Any], seed: int) -> Reply:
        reply = verdict("Solved")
        reply.delay_s = 0.02
        return reply

    with judging_server(slow) as server:
        flags = {"candidates.mine": path, "model": "judge", "endpoint.base_url": server.base_url}
        flags |= {"output": tmp_path / "out", "concurrency": CONCURRENCY, "votes": VOTES, "runs": VOTES}
        empty = tmp_path / "empty.yaml"
        empty.write_text("")
        command = [sys.executable, str(ROOT / "jobs" / "evaluate_toolbench.py"), str(empty)]
        command += [f"--{name}={value}" for name, value in flags.items()]
        job = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + 60
        while len(server.requests) < QUERIES * VOTES // 2 and time.monotonic() < limit:
            assert job.poll() is None, "the job ended before it was killed"
            time.sleep(0.005)
        os.kill(job.pid, signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
        lines = (tmp_path / "out" / "votes.jsonl").read_bytes().split(b"\n")[1:-1]
        kept = {json.loads(line)["seed"] for line in lines}
        before = {request["seed"] for request in server.requests}
        assert 0 < len(kept) < QUERIES * VOTES
        assert len(before - kept) <= CONCURRENCY  # those whose replies were on their way
        server.requests.clear()
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        after = [request["seed"] for request in server.requests]
    assert not set(after) & kept
    assert len(after) == len(set(after)) == QUERIES * VOTES - len(kept)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["candidates"]["mine"]["pass_rate"]["mean"] == 1
    assert found["judge_replies"]["verdict"] == QUERIES * VOTES

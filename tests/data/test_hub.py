"""Downloads from a hub: a small server of our own, which a process of its own asks as it would the real one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

REPOSITORY = "team/chat"
FILES = {
    "README.md": b"# chat\n",
    "data/English-00001-of-00002.parquet": b"second",
    "data/English-00000-of-00002.parquet": b"first",
    "data/Chinese-00000-of-00001.parquet": "中".encode(),
    "all.json": b"[1]",
}
COMMIT = "a" * 40

# The hub's client reads its variables when it is imported, and waits long before it tries again.
ASK = """
import json, sys, time
from pathlib import Path
time.sleep = lambda seconds: None
from octupus.data.sources.hub import download
from octupus.errors import CorpusError
answers = []
for repository, pattern in json.loads(sys.argv[1]):
    try:
        files = download(repository, pattern)
        answers.append([[path.name, path.read_bytes().decode()] for path in files])
    except CorpusError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


class Hub(BaseHTTPRequestHandler):
    """What of the hub's protocol a download needs: the list of files, and each file with its hash and commit."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(f"{self.command} {path}")
        if "/team/private" in path:
            self._send(401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "ask for access"})
        elif path.startswith(f"/api/datasets/{REPOSITORY}/tree/"):
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": "b" * 40} for name, data in FILES.items()
            ]
            self._send(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
        elif path.startswith(f"/datasets/{REPOSITORY}/resolve/"):
            name = path.split("/", 6)[6]
            if name in FILES:
                tag = hashlib.sha256(FILES[name]).hexdigest()
                self._send(200, FILES[name], {"ETag": f'"{tag}"'})
            else:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """The server's address, and what it was asked."""
    asked: list[str] = []
    handler = type("Handler", (Hub,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def answers(endpoint: str, home: Path, *wanted: tuple[str, str], **variables: str) -> list[Any]:
    """What `download` gives for each repository and pattern: names and contents, or the error's message."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "")
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **variables}
    command = [sys.executable, "-c", ASK, json.dumps(wanted)]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout.splitlines()[-1])
    assert isinstance(found, list)
    return found


def test_files_and_refusals(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    endpoint, asked = hub
    english, all_files, nothing, absent, private, private_list, unknown = answers(
        endpoint,
        tmp_path,
        (REPOSITORY, "data/English-*.parquet"),
        (REPOSITORY, "all.json"),
        (REPOSITORY, "data/French-*.parquet"),
        (REPOSITORY, "absent.json"),
        ("team/private", "all.json"),
        ("team/private", "data/*.parquet"),
        ("team/absent", "data/*.parquet"),
    )
    assert english == [
        ["English-00000-of-00002.parquet", "first"],
        ["English-00001-of-00002.parquet", "second"],
    ]
    assert all_files == [["all.json", "[1]"]]
    assert nothing == (f"data set {REPOSITORY} has no file data/French-*.parquet; give the source the path of a copy")
    for error, repository in ((absent, REPOSITORY), (private, "team/private"), (unknown, "team/absent")):
        assert error.startswith(f"data set {repository} cannot be had from the Hugging Face hub: ")
        assert error.endswith("give the source the path of a copy, or set HF_TOKEN if it asks for one")
    assert "401" in private
    assert "401" in private_list
    assert "404" in unknown

    # What is there is not downloaded again, and without the hub it is still found.
    gets = [each for each in asked if each.startswith("GET /datasets/")]
    assert len(gets) == 3
    asked.clear()
    assert answers(endpoint, tmp_path, (REPOSITORY, "all.json")) == [all_files]
    assert not [each for each in asked if each.startswith("GET /datasets/")]
    asked.clear()
    offline, missing = answers(
        endpoint, tmp_path, (REPOSITORY, "all.json"), (REPOSITORY, "data/*.parquet"), HF_HUB_OFFLINE="1"
    )
    assert offline == all_files
    assert missing.startswith(f"data set {REPOSITORY} cannot be had from the Hugging Face hub: ")
    assert asked == []


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    # Nothing listens on port 9 of this machine.
    for error in answers("http://127.0.0.1:9", tmp_path, (REPOSITORY, "all.json"), (REPOSITORY, "data/*.parquet")):
        assert error.startswith(f"data set {REPOSITORY} cannot be had from the Hugging Face hub: ")

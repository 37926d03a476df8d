"""`octupus chat` against an HTTP server that streams prepared answers: by pipe, and in a real terminal."""

import io
import json
import os
import pty
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from octupus.errors import ConfigError, EngineError, OctupusError, RequestError
from octupus.talk.command import ChatOptions, chat

from .chunks import calling_answer, chunk, text_answer

TOOLS = [{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}}}]
PYTHON_TOOLS = '''
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b
'''
CALL_ADD = calling_answer(("add", '{"a": 2, "b": 3}'))


@dataclass
class Server:
    """What a server was asked, and what it answers."""

    url: str = ""
    answers: list[Sequence[ChatCompletionChunk]] = field(default_factory=list)
    status: int = 200
    error: dict[str, Any] = field(default_factory=dict)
    hang: bool = False
    """Whether an answer goes on for ever."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when a client left in the middle of an answer."""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._json(200, {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}]})

        def do_POST(self) -> None:
            state.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            state.keys.append(self.headers["authorization"])
            if state.status != 200:
                self._json(state.status, {"error": state.error})
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            answer = state.answers.pop(0)
            for each in answer:
                self._event(each.model_dump_json(exclude_unset=True))
            while state.hang and not state.gone.wait(0.02):
                try:
                    self._event(answer[0].model_dump_json(exclude_unset=True))
                except OSError:
                    state.gone.set()
                    return
            self._event("[DONE]")

        def _event(self, data: str) -> None:
            self.wfile.write(f"data: {data}\n\n".encode())
            self.wfile.flush()

        def _json(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        yield state
        state.gone.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def python_tools(tmp_path: Path) -> Path:
    file = tmp_path / "tools.py"
    file.write_text(PYTHON_TOOLS)
    return file


@pytest.fixture
def type_lines(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_piped_conversation_with_local_and_typed_results(
    server: Server,
    python_tools: Path,
    tmp_path: Path,
    type_lines: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    tools, saved = tmp_path / "tools.json", tmp_path / "saved.json"
    tools.write_text(json.dumps(TOOLS))
    server.answers = [
        CALL_ADD,
        calling_answer(("lookup", "{}")),
        text_answer("Five, [bold]green[/]."),
        text_answer("x"),
    ]
    type_lines(f"how much?\ngreen\n/tools\n/system Be brief.\n/save {saved}\n/reset\nagain\n/quit\nnever read\n")
    options = ChatOptions(server.url, tools=tools, python_tools=python_tools, yes=True, seed=7, temperature=0.0)
    assert chat(options) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('add({"a": 2, "b": 3})\n  -> 5\nlookup({})\n  -> green\nFive, [bold]green[/].\n')
    assert "add(a, b)  Adds two numbers." in shown
    assert "\x1b" not in shown, "no colour outside a terminal"
    assert {body["seed"] for body in server.bodies} == {7}
    assert {body["temperature"] for body in server.bodies} == {0.0}
    assert "max_tokens" not in server.bodies[0]
    assert [tool["function"]["name"] for tool in server.bodies[0]["tools"]] == ["lookup", "add"]
    assert server.bodies[2]["messages"][-1] == {"role": "tool", "tool_call_id": "id0", "content": "green"}
    assert [message["role"] for message in server.bodies[3]["messages"]] == ["system", "user"]
    body = json.loads(saved.read_text())
    assert [message["role"] for message in body["messages"]] == [
        *("system", "user", "assistant", "tool", "assistant", "tool", "assistant"),
    ]
    assert body["tools"] == server.bodies[0]["tools"]
    assert set(server.keys) == {"Bearer from-the-environment"}
    assert len(server.bodies) == 4


def test_one_prompt(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps(TOOLS))
    server.answers = [calling_answer(("lookup", "{}"))]
    assert chat(ChatOptions(server.url, tools=tools, once="look", system="s")) == 0
    assert capsys.readouterr().out == "lookup({})\n"
    assert [message["role"] for message in server.bodies[0]["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, {"message": "no such key"}, "OPENAI_API_KEY"),
        (404, {"message": "model 'm' is not served here", "code": "model_not_found"}, "--model"),
        (404, {"message": "Not Found"}, "/v1"),
        (400, {"message": "must be\nat least 1", "param": "max_tokens"}, "must be at least 1 .field max_tokens"),
        (429, {"message": "too many"}, "busy"),
        (500, {"message": "the engine failed"}, "log"),
    ],
)
def test_what_the_endpoint_refuses_is_one_line_that_helps(
    server: Server, status: int, error: dict[str, Any], said: str
) -> None:
    server.status, server.error = status, error
    with pytest.raises(RequestError if status < 500 else EngineError, match=said) as raised:
        chat(ChatOptions(server.url, once="hi"))
    assert "\n" not in str(raised.value)
    assert error["message"].split()[0] in str(raised.value)


def test_no_endpoint_and_a_stream_that_breaks_off(server: Server) -> None:
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:1/v1.*--url"):
        chat(ChatOptions("http://127.0.0.1:1/v1", once="hi"))
    server.answers = [[chunk(content="Cle")]]
    with pytest.raises(EngineError, match="middle of the answer"):
        chat(ChatOptions(server.url, once="hi"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": "[1]"}, "tool 0"),
        ({"tools": "{"}, "not valid JSON"),
        ({"tools": '[{"type": "function", "function": {"name": "add"}}]', "python": True, "yes": True}, "twice"),
        ({"python": True}, "--yes"),
        ({"max_rounds": 0}, "--max-rounds"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(
    server: Server, python_tools: Path, tmp_path: Path, fields: dict[str, Any], said: str, type_lines: Any
) -> None:
    type_lines("hi\n")
    if "tools" in fields:
        (tmp_path / "tools.json").write_text(fields["tools"])
        fields = fields | {"tools": tmp_path / "tools.json"}
    if fields.pop("python", False):
        fields = fields | {"python_tools": python_tools}
    with pytest.raises(ConfigError, match=said):
        chat(ChatOptions(server.url, **fields))
    assert not server.bodies


def test_a_command_that_does_not_exist(server: Server, type_lines: Callable[[str], None]) -> None:
    type_lines("/nothing\n")
    with pytest.raises(OctupusError, match="/help"):
        chat(ChatOptions(server.url))


class Terminal:
    """The command in a process of its own, behind a pseudo-terminal."""

    def __init__(self, code: str) -> None:
        self._side, theirs = pty.openpty()
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "200"}
        # A session of its own, whose controlling terminal this becomes: so Ctrl-C reaches it as in life, also where
        # the tests run in the background of a shell, which has its jobs ignore Ctrl-C.
        heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        become = f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); {heed}; {code}"
        self.process = Popen(
            [sys.executable, "-c", become],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=environment,
        )
        os.close(theirs)
        self._seen = ""

    def until(self, text: str) -> str:
        """What is shown until `text` is; escape sequences left out."""
        while text not in self._seen:
            assert select.select([self._side], [], [], 60)[0], f"no {text!r} after {self._seen!r}"
            self._seen += re.sub(r"\x1b\[[0-9;?]*\w", "", os.read(self._side, 4096).decode().replace("\r", ""))
        shown, _, self._seen = self._seen.partition(text)
        return shown + text

    def type(self, text: str) -> None:
        os.write(self._side, text.encode())

    def close(self) -> None:
        os.close(self._side)


def test_in_a_terminal_tools_are_asked_for_and_ctrl_c_stops_the_answer_alone(
    server: Server, python_tools: Path
) -> None:
    options = f"ChatOptions({server.url!r}, python_tools=Path({str(python_tools)!r}))"
    imports = "import sys; from pathlib import Path; from octupus.talk.command import ChatOptions, chat"
    terminal = Terminal(f"{imports}; sys.exit(chat({options}))")
    try:
        terminal.until("> ")
        server.answers = [CALL_ADD, text_answer("Five.")]
        terminal.type("how much?\n")
        terminal.until('run add({"a": 2, "b": 3})? ')
        terminal.type("n\n")
        assert "did not allow" in terminal.until("Five.")
        assert json.loads(server.bodies[-1]["messages"][-1]["content"])["error"]
        terminal.until("> ")

        server.answers, server.hang = [[chunk(content="on and ")]], True
        terminal.type("tell me\n")
        terminal.until("on and on and ")
        terminal.type("\x03")
        terminal.until("stopped")
        assert server.gone.wait(60), "the answer is aborted at the endpoint too"
        terminal.until("> ")

        server.hang, server.status, server.error = False, 400, {"message": "no", "param": "messages"}
        terminal.type("again\n")
        terminal.until("field messages")
        server.status, server.answers = 200, [text_answer("Still here.")]
        terminal.type("again\n")
        terminal.until("Still here.")
        assert "tell me" not in [message["content"] for message in server.bodies[-1]["messages"]]
        terminal.until("> ")
        terminal.type("\x04")
        assert terminal.process.wait(60) == 0
    finally:
        terminal.process.kill()
        terminal.process.wait()
        terminal.close()

"""An endpoint that judges as a Python function says, over HTTP on 127.0.0.1."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.teacher_server import Reply, TeacherServer

Policy = Callable[[str, dict[str, Any], int], Reply | str]
"""From the task's name, the judged material and the seed: a status, or any reply."""


def verdict(status: str, reason: str = "so it is") -> Reply:
    return said(json.dumps({"reason": reason, "status": status}))


def said(content: str | None, finish_reason: str = "stop") -> Reply:
    return Reply(message={"role": "assistant", "content": content}, finish_reason=finish_reason)


class JudgingServer(TeacherServer):
    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def asked_votes(self) -> Counter[tuple[str, str, int]]:
        """Requests by task, material and seed."""
        return Counter(described(request) for request in self.requests)

    def _reply(self, request: dict[str, Any], authorization: str) -> Reply:
        with self._lock:
            self.requests.append(request)
            self.authorization.append(authorization)
        task, material, seed = described(request)
        reply = self.policy(task, json.loads(material), seed)
        return verdict(reply) if isinstance(reply, str) else reply


def described(request: dict[str, Any]) -> tuple[str, str, int]:
    return request["response_format"]["json_schema"]["name"], request["messages"][-1]["content"], request["seed"]


@contextmanager
def judging_server(policy: Policy) -> Iterator[JudgingServer]:
    server = JudgingServer(policy)
    try:
        yield server
    finally:
        server.close()

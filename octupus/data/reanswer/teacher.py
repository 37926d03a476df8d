"""Who is asked: the interface of a teacher, and the choice between the two kinds."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import SecretStr

from octupus.data.reanswer.config import ReanswerConfig
from octupus.endpoint.outcome import Outcome
from octupus.errors import OctupusError


class TeacherError(OctupusError):
    """The teacher cannot start, or has stopped answering."""


class Teacher(Protocol):
    """Answers one prompt at a time, and many at once."""

    async def ask(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Outcome:
        """One assistant turn; what concerns this prompt alone is a Failure, all else is raised."""


async def make_teacher(config: ReanswerConfig, api_key: SecretStr | None, on_cpu: bool) -> Teacher:
    """The configured teacher, on the running event loop. Raises TeacherError."""
    if config.teacher == "endpoint":
        from octupus.endpoint.client import EndpointClient

        return EndpointClient(config.model, config.sampling, config.endpoint, api_key)
    from octupus.data.reanswer.vllm_teacher import VllmTeacher

    return VllmTeacher(config.model, config.sampling, config.engine, config.concurrency, on_cpu)

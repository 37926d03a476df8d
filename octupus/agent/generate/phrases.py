"""What the endpoint said, kept on disk: a run that is started again asks for nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from octupus.conversation import json_text
from octupus.endpoint.client import EndpointClient
from octupus.endpoint.outcome import Answer, Outcome
from octupus.errors import OutputError

PHRASES = "phrases.jsonl"


class KeptPhrases:
    """Answers by what was asked: model, messages, seed. Failures are not kept, so that they are tried again."""

    def __init__(self, path: Path, client: EndpointClient, settings: Any, concurrency: int) -> None:
        self._path = path
        self._client = client
        self._settings = settings
        self._gate = asyncio.Semaphore(concurrency)
        self._kept = _read(path)
        self.asked = 0
        self.tokens_in = 0
        self.tokens_out = 0

    async def ask(self, messages: list[dict[str, Any]], seed: int) -> Outcome:
        """What the endpoint says, or said in an earlier run."""
        key = hashlib.sha256(json_text([self._settings, messages, seed], sort_keys=True).encode()).hexdigest()
        if key in self._kept:
            return self._kept[key]
        async with self._gate:
            outcome = await self._client.ask(messages, [], seed=seed)
        self.asked += 1
        if isinstance(outcome, Answer):
            self.tokens_in += outcome.tokens_in
            self.tokens_out += outcome.tokens_out
            self._kept[key] = outcome
            # ASCII, since half characters that a model may write must be kept as well.
            line = json.dumps({"key": key, "answer": outcome.model_dump(mode="json")}) + "\n"
            with self._path.open("a", encoding="ascii") as stream:
                stream.write(line)
        return outcome


def _read(path: Path) -> dict[str, Answer]:
    """The answers of earlier runs; a line that was being written when the machine stopped is cut off."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    kept: dict[str, Answer] = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            value = json.loads(line)
            kept[value["key"]] = Answer.model_validate(value["answer"])
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{path}:{number} is damaged: {error}; remove the line, and it is asked again") from error
    return kept

"""The errors octupus raises on purpose.

Each message says what is wrong, where, and what to do about it, because the command line prints the message
alone and the HTTP endpoint sends it to the client.
"""

from __future__ import annotations

from collections.abc import Mapping


class OctupusError(Exception):
    """Base of every error that a person can act on; command lines print it without a traceback."""


class ConfigError(OctupusError):
    """A configuration file or flag holds an unknown key or a wrong value."""


class CorpusError(OctupusError):
    """A corpus cannot be read: missing, empty, of an unknown format, or broken at a line."""


class OutputError(OctupusError):
    """What a job makes cannot be written: the disk is full, or its storage is gone."""


class ConversionError(OctupusError):
    """One row of a corpus cannot be turned into a conversation; `reason` says why (a `data.reasons.Reason`)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class VocabularyError(OctupusError):
    """A model directory lacks the control tokens of its dialect, or its embedding rows do not fit its tokenizer."""


class ManifestError(OctupusError):
    """Prepared data is missing, damaged, or was made with another tokenizer."""


class TrainingError(OctupusError):
    """A training run cannot start or go on: resources, self-test, loss, or checkpoint."""


class EvaluationError(OctupusError):
    """An evaluation cannot be run, or its score may not be published."""


class UnenforceableSchemaError(OctupusError):
    """A tool's schema holds a keyword that no constraint can enforce; `pointer` is the JSON pointer to it."""

    def __init__(self, tool: str, keyword: str, pointer: str, explanation: str) -> None:
        super().__init__(f"tool {tool!r}: keyword {keyword!r} at {pointer or '/'} cannot be enforced: {explanation}")
        self.tool = tool
        self.keyword = keyword
        self.pointer = pointer
        self.explanation = explanation


class RequestError(OctupusError):
    """A request to the endpoint is refused before generation; `parameter` names the field, as OpenAI's `param`.

    `headers` go with the answer, such as Retry-After.
    """

    def __init__(
        self,
        message: str,
        parameter: str | None = None,
        code: str | None = None,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.code = code
        self.status = status
        self.headers = dict(headers or {})


class EngineError(OctupusError):
    """The inference engine could not start or answer."""

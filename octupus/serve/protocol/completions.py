"""OpenAI's older Completions: text or token ids in, text out, and no tools, so no constraint but the content's."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from octupus.errors import RequestError
from octupus.serve.protocol.chat import StreamOptions
from octupus.serve.protocol.drawing import Drawing
from octupus.serve.protocol.fields import read_object, validated

MAX_LOGPROBS = 20
MAX_PROMPTS = 64

TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class CompletionRequest(Drawing):
    """The body of POST /v1/completions."""

    model: str
    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS)]
        | TokenIds
        | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_PROMPTS)]
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    best_of: Annotated[int, Field(ge=1)] | None = None
    suffix: Any = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt, as text or as token ids."""
        prompt: Any = self.prompt
        if isinstance(prompt, str) or isinstance(prompt[0], int):
            return [prompt]
        return list(prompt)

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the counts."""
        return self.stream_options is not None and self.stream_options.include_usage


def parse_completion_request(body: bytes) -> CompletionRequest:
    """Read a request's body. Raises RequestError naming the field."""
    request = validated(CompletionRequest, read_object(body))
    unsupported = {
        "suffix": bool(request.suffix),
        "best_of": (request.best_of or 1) > (request.n or 1),
        "logprobs": request.logprobs is not None and bool(request.echo),
    }
    for field, present in unsupported.items():
        if present:
            what = "logprobs of an echoed prompt are" if field == "logprobs" else f"{field} is"
            raise RequestError(f"{what} not supported by this server; leave it out", field, "unsupported_value")
    return request

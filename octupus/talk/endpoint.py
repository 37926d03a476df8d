"""The endpoint behind `octupus chat`: streamed requests through the openai package, errors as one line that helps."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, OpenAI, OpenAIError
from openai.types.chat import ChatCompletionChunk

from octupus.errors import EngineError, OctupusError, RequestError

KEY_VARIABLE = "OPENAI_API_KEY"
TIMEOUT_S = 300
CONNECT_TIMEOUT_S = 10


class Endpoint:
    """An OpenAI-compatible endpoint. Every method raises RequestError or EngineError with one actionable line."""

    def __init__(self, url: str, model: str | None = None) -> None:
        self.url = url
        # The package insists on a key; an endpoint that asks for none ignores it.
        key = os.environ.get(KEY_VARIABLE) or "unused"
        self._client = OpenAI(base_url=url, api_key=key, max_retries=0, timeout=TIMEOUT_S)
        self.model = model if model is not None else self._first_model()

    def stream(
        self, messages: Sequence[dict[str, Any]], fields: dict[str, Any]
    ) -> Generator[ChatCompletionChunk, None, None]:
        """The chunks of an answer; `fields` are the request's other fields. Closing it aborts the answer."""
        body: dict[str, Any] = {"model": self.model, "messages": list(messages), **fields}
        with self._explained(), self._client.chat.completions.create(**body, stream=True) as chunks:
            yield from chunks

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _first_model(self) -> str:
        with self._explained():
            models = self._client.with_options(timeout=CONNECT_TIMEOUT_S).models.list().data
        if not models:
            raise EngineError(f"{self.url} serves no model; name one with --model")
        return models[0].id

    @contextmanager
    def _explained(self) -> Generator[None, None, None]:
        try:
            yield
        except OpenAIError as error:
            raise explained(error, self.url) from error


def explained(error: OpenAIError, url: str) -> OctupusError:
    """The error of a request, as one line that says what to do."""
    if isinstance(error, APITimeoutError):
        return EngineError(f"{url} did not answer in time; look at the server's log")
    if isinstance(error, APIConnectionError):
        cause = error.__cause__ or error
        return EngineError(f"no answer from {url}: {cause}; start the endpoint, or name it with --url")
    if isinstance(error, APIStatusError):
        return _status_error(error, url)
    if isinstance(error, APIError):
        return EngineError(f"{url} broke off: {_message(error)}")
    return EngineError(f"{url}: {error}")


def _status_error(error: APIStatusError, url: str) -> OctupusError:
    status, message = error.status_code, _message(error)
    if status == 401:
        return RequestError(f"{url} refuses the API key: {message}; put one into the environment as {KEY_VARIABLE}")
    if status == 404 and error.code == "model_not_found":
        return RequestError(f"{message}; name a served model with --model, or leave it out")
    if status == 404:
        return RequestError(f"{url} knows no such route: {message}; the URL of an endpoint mostly ends in /v1")
    if status == 429:
        wait = error.response.headers.get("retry-after")
        return RequestError(f"{url} is busy: {message}; ask again{f' in {wait} s' if wait else ' later'}")
    if status >= 500:
        return EngineError(f"{url} answered {status}: {message}; look at the server's log")
    field = f" (field {error.param})" if error.param and error.param not in message else ""
    return RequestError(f"{url} refuses the request: {message}{field}")


def _message(error: APIError) -> str:
    """What the endpoint's envelope says, on one line."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error.message).split())

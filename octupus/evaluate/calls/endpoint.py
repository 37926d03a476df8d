"""The endpoint under evaluation, asked through the `openai` package."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any, Self

import openai
from pydantic import BaseModel, Field, ValidationError

from octupus.errors import ConfigError, EvaluationError
from octupus.evaluate.calls.config import EndpointConfig
from octupus.evaluate.scoring import Reply
from octupus.schema.validation import InvalidJsonError, parse_json

CHECK_TIMEOUT_S = 10.0
DETAIL_CHARACTERS = 300
SHOWN_MODELS = 20


class EndpointError(EvaluationError):
    """The endpoint cannot be evaluated: it is down, refuses the key, is no OpenAI endpoint or lacks the model."""


class _Function(BaseModel):
    name: str
    arguments: str


class _Call(BaseModel):
    function: _Function


class _Message(BaseModel):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    message: _Message


class _Usage(BaseModel):
    completion_tokens: int = 0


class _Completion(BaseModel):
    """What is read of a completion. The `openai` package checks nothing, and servers leave things out."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class Endpoint:
    """One client. Use as an asynchronous context. Raises ConfigError when the key's variable is not set."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._key = _key(config)
        self._client = openai.AsyncOpenAI(
            base_url=config.base_url,
            api_key=self._key or "unused",  # the package insists on one
            max_retries=config.max_retries,
            timeout=config.timeout_s,
        )
        self._settings: dict[str, Any] = {"model": config.model, "extra_body": dict(config.extra_body)}
        for name, value in (("temperature", config.temperature), ("max_tokens", config.max_tokens)):
            if value is not None:
                self._settings[name] = value

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.close()

    async def check(self) -> None:
        """Raises EndpointError unless the endpoint lists the model; takes CHECK_TIMEOUT_S at the longest."""
        where = f"the endpoint {self._config.base_url}"
        client = self._client.with_options(max_retries=0, timeout=CHECK_TIMEOUT_S)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                text = (await client.models.with_raw_response.list()).http_response.text
        except (openai.APIConnectionError, TimeoutError) as error:
            cause = error.__cause__ or error
            raise EndpointError(
                f"{where} cannot be reached ({self._redacted(str(cause)) or type(cause).__name__}); start its server, "
                "or correct endpoint.base_url"
            ) from error
        except openai.APIStatusError as error:
            raise EndpointError(f"{where} {self._refusal(error)}") from error
        self._check_models(where, text)

    async def ask(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Reply:
        """One answer. Whatever keeps it from coming is the reply's `error`, as `reason: detail`."""
        arguments = {**self._settings, "messages": messages, **({"tools": tools} if tools else {})}
        longest_s = self._config.timeout_s * (self._config.max_retries + 1)
        try:
            # The client's own limit counts from byte to byte, so that a trickle would never end.
            async with asyncio.timeout(longest_s):
                answer = await self._client.chat.completions.with_raw_response.create(**arguments)
                body = answer.http_response.content
        except (openai.APITimeoutError, TimeoutError):
            return Reply(error=f"timeout: no answer in {self._config.timeout_s:g} s")
        except openai.APIStatusError as error:
            return self._failed(f"status_{error.status_code}", error.message)
        except openai.APIConnectionError as error:
            return self._failed("connection", f"{error} {error.__cause__ or ''}")
        return self._read(body)

    def _read(self, body: bytes) -> Reply:
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            shown = body[:DETAIL_CHARACTERS].decode("utf-8", "replace")
            return self._failed("malformed_answer", f"{error.errors()[0]['msg']} in {shown}")
        message, usage = completion.choices[0].message, completion.usage
        calls = tuple((call.function.name, call.function.arguments) for call in message.tool_calls or ())
        if not calls and not (message.content or "").strip():
            # Else a server that says nothing would be right wherever no call is expected.
            return Reply(error="empty_answer: neither text nor a call")
        return Reply(calls, message.content, usage.completion_tokens if usage else 0)

    def _check_models(self, where: str, text: str) -> None:
        try:
            value = parse_json(text)
            served = [model["id"] for model in value["data"]]
        except (InvalidJsonError, KeyError, TypeError) as error:
            raise EndpointError(
                f"{where} is not OpenAI-compatible: its list of models begins with "
                f"{self._redacted(text.strip())[:80]!r}; correct endpoint.base_url, which mostly ends in /v1"
            ) from error
        if self._config.model not in served:
            more = f" and {len(served) - SHOWN_MODELS} more" if len(served) > SHOWN_MODELS else ""
            names = ", ".join(map(str, served[:SHOWN_MODELS])) or "none"
            raise EndpointError(f"{where} does not serve {self._config.model!r}; it serves: {names}{more}")

    def _refusal(self, error: openai.APIStatusError) -> str:
        detail = f"answers {error.status_code} to {error.request.url.path}"
        if error.status_code not in (401, 403):
            return f"{detail}, which should list its models; correct endpoint.base_url, which mostly ends in /v1"
        variable = self._config.api_key_variable
        if variable is None:
            return f"{detail}: it needs an API key; export it, and name the variable in endpoint.api_key_variable"
        return f"{detail}: it refuses the API key; set the variable {variable} to another one"

    def _failed(self, reason: str, detail: str) -> Reply:
        return Reply(error=f"{reason}: {self._redacted(detail).strip()[:DETAIL_CHARACTERS]}")

    def _redacted(self, text: str) -> str:
        """Without the key, which some endpoints repeat when they refuse it."""
        return text.replace(self._key, "***") if self._key else text


def _key(config: EndpointConfig) -> str:
    if config.api_key_variable is None:
        return ""
    key = os.environ.get(config.api_key_variable)
    if not key:
        raise ConfigError(
            f"endpoint.api_key_variable names {config.api_key_variable}, which is not set; export it, or take the "
            "setting out"
        )
    return key

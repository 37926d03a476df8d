"""An OpenAI-compatible endpoint, asked through the `openai` package."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

from octupus.conversation import FunctionCall, ToolCall
from octupus.endpoint.backoff import backoff_s, retry_after_s
from octupus.endpoint.config import EndpointConfig, SamplingConfig
from octupus.endpoint.outcome import DETAIL_CHARACTERS, Answer, Failure, Outcome

# The request itself is at fault: sent again it would be refused again.
_FINAL_STATUSES = (400, 413, 422)


class EndpointClient:
    """One client; what fails for the moment is sent again after a wait."""

    def __init__(
        self, model: str, sampling: SamplingConfig, endpoint: EndpointConfig, api_key: SecretStr | None
    ) -> None:
        self._endpoint = endpoint
        self._key = api_key.get_secret_value() if api_key else ""
        self._arguments: dict[str, Any] = {
            "model": model,
            **sampling.model_dump(exclude_none=True),
            "extra_body": dict(endpoint.extra_body),
        }
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=self._key or "unused",  # the package insists on one
            max_retries=0,  # attempts are counted and waited for here
            timeout=endpoint.timeout_s,
        )

    async def ask(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], **fields: Any) -> Outcome:
        """One assistant turn. `fields` stand over those of the sampling, such as another seed or `tool_choice`."""
        retries: Counter[str] = Counter()
        for attempt in range(self._endpoint.max_attempts):
            outcome, wait_s = await self._attempt(messages, tools, fields)
            if isinstance(outcome, Answer):
                return outcome.model_copy(update={"retries": dict(retries)})
            if wait_s is None:
                break
            retries[outcome.reason] += 1
            if wait_s > self._endpoint.max_retry_after_s or attempt + 1 == self._endpoint.max_attempts:
                break
            backoff = backoff_s(attempt, self._endpoint.backoff_base_s, self._endpoint.max_backoff_s)
            await asyncio.sleep(max(wait_s, backoff))
        return outcome.model_copy(update={"retries": dict(retries)})

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def _attempt(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], fields: Mapping[str, Any]
    ) -> tuple[Outcome, float | None]:
        """What came back, and when it may be sent again: after so many seconds at the earliest, or None for never."""
        arguments = {**self._arguments, **fields, "messages": messages, **({"tools": tools} if tools else {})}
        try:
            # The client's own limit counts from byte to byte, so that a trickle would never end.
            async with asyncio.timeout(self._endpoint.timeout_s):
                completion = await self._client.chat.completions.create(**arguments)
        except (openai.APITimeoutError, TimeoutError):
            return self._failure("timeout", f"no answer in {self._endpoint.timeout_s:g} s"), 0.0
        except openai.APIStatusError as error:
            status = error.status_code
            failure = self._failure(f"status_{status}", error.message, final=status in _FINAL_STATUSES)
            again = status == 429 or status >= 500
            return failure, (retry_after_s(error.response.headers) or 0.0) if again else None
        except openai.APIConnectionError as error:
            return self._failure("connection", f"{error} {error.__cause__ or ''}"), 0.0
        except (openai.OpenAIError, ValueError) as error:  # ValueError: a body that is no JSON
            return self._failure("malformed_answer", f"{type(error).__name__}: {error}"), None
        return self._read(completion), None

    def _read(self, completion: Any) -> Outcome:
        # The package checks nothing: whatever JSON comes back is wrapped as it is.
        if not isinstance(completion, ChatCompletion) or not completion.choices:
            return self._failure("malformed_answer", f"no choices in {completion!r}")
        choice, usage = completion.choices[0], completion.usage
        if choice.message is None:
            return self._failure("malformed_answer", f"no message in {choice!r}")
        try:
            return Answer(
                content=choice.message.content,
                tool_calls=tuple(
                    ToolCall(
                        id=call.id, function=FunctionCall(name=call.function.name, arguments=call.function.arguments)
                    )
                    for call in choice.message.tool_calls or ()
                    if call.type == "function"
                ),
                finish_reason=choice.finish_reason or "stop",
                tokens_in=usage.prompt_tokens if usage else 0,
                tokens_out=usage.completion_tokens if usage else 0,
            )
        except ValueError as error:  # pydantic's: a field of another type than OpenAI says
            return self._failure("malformed_answer", str(error))

    def _failure(self, reason: str, detail: str, final: bool = False) -> Failure:
        if self._key:  # some endpoints repeat the key they refuse
            detail = detail.replace(self._key, "***")
        return Failure(reason=reason, detail=detail.strip()[:DETAIL_CHARACTERS], final=final)

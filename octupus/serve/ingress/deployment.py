"""The HTTP side: OpenAI's routes. Renders requests to ids, sends them to a replica, parses the ids that come back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.util.metrics import Counter
from starlette.exceptions import HTTPException

from octupus.chat.dialect import Delta
from octupus.chat.registry import model_chat
from octupus.errors import RequestError
from octupus.serve.ingress.admission import Admission, Admitted
from octupus.serve.answers.answer import Answer
from octupus.serve.config import ServeConfig
from octupus.serve.ingress.explanation import SCORED_TOKENS, explanation_of, refuse_unexplainable
from octupus.serve.ingress.last_check import invalid_calls, invalid_content
from octupus.serve.protocol.chat import ChatRequest, parse_chat_request
from octupus.serve.answers.events import DONE, error_envelope, request_error_envelope, sse, sse_error
from octupus.telemetry import configure_logging, event

logger = logging.getLogger("octupus.serve.ingress.deployment")

api = FastAPI(title="octupus", docs_url=None, redoc_url=None)


class Ingress:
    """Bound as a Serve deployment by `octupus.serve.app`, which adds the routes of `api`."""

    async def __init__(self, config: ServeConfig, engine: DeploymentHandle) -> None:  # type: ignore[misc]  # Serve awaits it
        configure_logging()
        self._config = config
        self._chat = model_chat(config.model.source)
        self._engine = engine.options(method_name="generate", stream=True)
        self._scores = engine.options(method_name="scores")
        max_model_len = await engine.options(method_name="max_model_len").remote()
        self._admission = Admission(config, self._chat, max_model_len)
        self._started = int(time.time())
        self._invalid_calls = Counter(
            "octupus_invalid_tool_calls_total", "Constrained tool calls that did not fit their schema; must stay 0."
        )

    @api.get("/v1/models")
    @api.get("/models")
    async def models(self) -> dict[str, Any]:
        """The one model served."""
        return {"object": "list", "data": [self._model()]}

    @api.get("/v1/models/{model_id}")
    @api.get("/models/{model_id}")
    async def model(self, model_id: str) -> dict[str, Any]:
        """The model of that name."""
        if model_id != self._config.model.id:
            raise RequestError(f"model {model_id!r} is not served here", "model", "model_not_found", status=404)
        return self._model()

    @api.get("/health")
    async def health(self) -> dict[str, str]:
        """Answers once the application is up."""
        return {"status": "ok"}

    @api.post("/v1/chat/completions")
    @api.post("/chat/completions")
    async def chat_completions(self, request: Request) -> Response:
        """OpenAI's Chat Completions."""
        chat_request = parse_chat_request(await self._body(request))
        refuse_unexplainable(chat_request)
        # Off the loop: a schema may take its second, and others are being answered meanwhile.
        admitted = await asyncio.to_thread(self._admission.admit, chat_request)
        parser = self._chat.dialect.parser(self._chat.tokenizer)
        answer = Answer(self._config.model.id, len(admitted.prompt_ids), parser)
        deltas = self._generate(admitted, answer)
        # Wait for the first token before the status line, so that what fails at once fails with the right code.
        first = await anext(deltas, None)
        if chat_request.stream:
            events = self._events(chat_request, admitted, answer, first or [], deltas)
            return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-cache"})
        async for _ in deltas:
            pass
        if chat_request.explain:
            await self._explain(admitted, answer)
        await self._finish(admitted, answer)
        return Response(answer.completion().model_dump_json(exclude_unset=True), media_type="application/json")

    async def _generate(self, admitted: Admitted, answer: Answer) -> AsyncIterator[list[Delta]]:
        """Deltas as they are generated. Leaving early, as when the client is gone, aborts the request."""
        stream = self._engine.remote(admitted.prompt_ids, admitted.sampling, admitted.spec)
        try:
            async for ids, reason in stream:
                yield answer.push(ids, reason)
        finally:
            if answer.finished_by is None:
                stream.cancel()
        if answer.finished_by is None:
            raise RayServeException("the engine's stream ended without a finish reason")

    async def _events(
        self,
        request: ChatRequest,
        admitted: Admitted,
        answer: Answer,
        first: Sequence[Delta],
        rest: AsyncIterator[list[Delta]],
    ) -> AsyncIterator[str]:
        yield sse(answer.first_chunk())
        for delta in first:
            yield sse(answer.chunk(delta))
        try:
            async for deltas in rest:
                for delta in deltas:
                    yield sse(answer.chunk(delta))
            if request.explain:
                await self._explain(admitted, answer)
        except (RayError, RayServeException) as error:
            logger.exception("stream_failed id=%s", answer.id)
            yield sse_error(error_envelope(f"the engine failed: {error}", "server_error", code="engine_failed"))
            return
        await self._finish(admitted, answer)
        yield sse(answer.last_chunk())
        if request.stream_options is not None and request.stream_options.include_usage:
            yield sse(answer.usage_chunk())
        yield DONE

    async def _explain(self, admitted: Admitted, answer: Answer) -> None:
        """Note how the constraint acted: the engine reads the answer once more."""
        scores = await self._scores.remote(admitted.prompt_ids, answer.ids, SCORED_TOKENS)
        # Off the loop: every mask of the turn is made again.
        answer.notes["explanation"] = await asyncio.to_thread(explanation_of, admitted, answer.ids, scores)

    async def _finish(self, admitted: Admitted, answer: Answer) -> None:
        """Check a finished answer once more, whatever the constraint promised, and log it."""
        message = answer.message
        if admitted.spec is not None and answer.finished_by == "stop":
            # Off the loop: where it must be looked at, the turn is followed once more.
            answer.cut_short = await asyncio.to_thread(admitted.hurried, answer.ids)
            problems = invalid_calls(
                [(call.function.name, call.function.arguments) for call in message.tool_calls], admitted.tools
            )
            problems += invalid_content(message, admitted.content)
            if answer.malformed is not None:
                problems.append(answer.malformed)
            self._report(admitted, answer, problems)
        usage = answer.usage
        event(
            logger,
            "answered",
            id=answer.id,
            finish_reason=answer.finish_reason,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            calls=len(message.tool_calls),
        )

    def _report(self, admitted: Admitted, answer: Answer, problems: list[str]) -> None:
        if admitted.checked:
            answer.notes["checked"] = [
                {"tool": name or None, **asdict(item)} for name, items in admitted.checked.items() for item in items
            ]
            answer.notes["violations"] = problems
        elif problems:
            self._invalid_calls.inc(len(problems))
            logger.error("invalid_tool_call id=%s %s", answer.id, "; ".join(problems))

    async def _body(self, request: Request) -> bytes:
        limit = self._config.limits.max_body_bytes
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > limit:
                raise RequestError(f"the body exceeds {limit} bytes", code="request_too_large", status=413)
        return bytes(body)

    def _model(self) -> dict[str, Any]:
        return {
            "id": self._config.model.id,
            "object": "model",
            "created": self._started,
            "owned_by": "octupus",
        }


@api.exception_handler(RequestError)
async def refused(request: Request, error: RequestError) -> JSONResponse:
    """A request that is refused before generation."""
    return JSONResponse(request_error_envelope(error), status_code=error.status)


@api.exception_handler(HTTPException)
async def not_found(request: Request, error: HTTPException) -> JSONResponse:
    """Unknown routes and methods, in the same envelope as everything else."""
    message = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse(error_envelope(message, "invalid_request_error"), status_code=error.status_code)


@api.exception_handler(RayError)
@api.exception_handler(RayServeException)
async def failed(request: Request, error: Exception) -> JSONResponse:
    """The engine could not answer."""
    logger.error("request_failed %s", error)
    envelope = error_envelope(f"the engine failed: {error}", "server_error", code="engine_failed")
    return JSONResponse(envelope, status_code=500)

"""What each route does with a request: read it, admit it, have it answered, write the answer."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from octupus.chat.registry import ModelChat
from octupus.chat.render import render
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import EngineError, RequestError
from octupus.serve.answers.answer import usage_of
from octupus.serve.answers.chat import ChatWriter
from octupus.serve.answers.logprobs import TokenTexts
from octupus.serve.answers.responses import ResponseWriter
from octupus.serve.answers.text import TextWriter
from octupus.serve.answers.tool_check import checked_tools
from octupus.serve.answers.writing import ChunkWriting, ResponseWriting, Writing
from octupus.serve.config import ServeConfig
from octupus.serve.ingress.admission import Admission, Admitted
from octupus.serve.ingress.connection import EventStream, while_connected
from octupus.serve.ingress.deadline import DeadlineError, before
from octupus.serve.ingress.generation import Replicas
from octupus.serve.ingress.models import ServedModels
from octupus.serve.ingress.record import Outcome, RequestRecord, outcome_of_status, record_of
from octupus.serve.ingress.turns import Progress, Turn, merged
from octupus.serve.protocol import chat, completions, responses, tokenizing, tool_check
from octupus.serve.protocol.tools import declared_tools
from octupus.serve.protocol.turn_request import TurnRequest

logger = logging.getLogger("octupus.serve.ingress")

CONSTRAINED_HEADER = "x-octupus-constrained"
"""Header that stands for the field `constrained`, for clients that can send headers but no fields of ours."""


class Service:
    """Answers requests for one model."""

    def __init__(self, config: ServeConfig, chat_of_model: ModelChat, replicas: Replicas, max_model_len: int) -> None:
        self._config = config
        self._chat = chat_of_model
        self._replicas = replicas
        self._max_model_len = max_model_len
        self.models = ServedModels(config, int(time.time()), chat_of_model.dialect.name, max_model_len)
        self._admission = Admission(config, chat_of_model, self.models, max_model_len)
        self._texts = TokenTexts(TokenVocabulary(chat_of_model.tokenizer))

    async def chat_completions(self, http: Request) -> Response:
        """OpenAI's Chat Completions."""
        request = chat.parse_chat_request(await self._body(http))
        asked = chat.turn_request_of(request, self._config.limits.max_tools)
        turn = await self._turn(http, asked, bool(request.stream))
        texts = None if asked.logprobs is None else self._texts
        writer = ChatWriter(request.model, turn.answers, texts)
        record_of(http.scope).response_id = writer.id
        writing = ChunkWriting(writer, turn.answers, request.include_usage)
        return await self._respond(http, [turn], writing, asked.explain)

    async def responses(self, http: Request) -> Response:
        """OpenAI's Responses."""
        request = responses.parse_responses_request(await self._body(http))
        asked = responses.turn_request_of(request, self._config.limits.max_tools)
        turn = await self._turn(http, asked, bool(request.stream))
        texts = None if asked.logprobs is None else self._texts
        answer = turn.answers[0]
        writer = ResponseWriter(request, answer, request.model, f"resp_{uuid.uuid4().hex}", int(time.time()), texts)
        record_of(http.scope).response_id = writer.id
        return await self._respond(http, [turn], ResponseWriting(writer, answer), asked.explain)

    async def completions(self, http: Request) -> Response:
        """OpenAI's Completions."""
        request = completions.parse_completion_request(await self._body(http))
        record = record_of(http.scope)
        turns: list[Turn] = []
        for prompt in request.prompts:
            admitted = await asyncio.to_thread(self._admission.admit_text, request, prompt)
            first_index = sum(len(turn.answers) for turn in turns)
            turns.append(self._new_turn(record, f"{record.request_id}-{len(turns)}", admitted, first_index))
        self._note(record, request.model, turns, bool(request.stream))
        answers = [answer for turn in turns for answer in turn.answers]
        echoed = [self._echoed(turn, bool(request.echo)) for turn in turns for _ in turn.answers]
        texts = None if request.logprobs is None else self._texts
        writer = TextWriter(request.model, answers, request.n or 1, echoed, texts)
        record.response_id = writer.id
        return await self._respond(http, turns, ChunkWriting(writer, answers, request.include_usage))

    async def tokenize(self, http: Request) -> Response:
        """Token ids of a text, or of a conversation as the model is given it."""
        request = tokenizing.parse_tokenize_request(await self._body(http))
        if request.model is not None:
            self.models.adapter_of(request.model)
        tokenizer = self._chat.tokenizer
        if request.prompt is not None:
            ids = await asyncio.to_thread(tokenizer.encode, request.prompt)
        else:
            conversation = tokenizing.tokenized_conversation(request, self._config.limits.max_tools)
            rendered = await asyncio.to_thread(
                render, conversation, self._chat.dialect, tokenizer, request.add_generation_prompt
            )
            ids = rendered.ids
        answer: dict[str, Any] = {"count": len(ids), "max_model_len": self._max_model_len, "tokens": ids}
        if request.return_token_strs:
            answer["token_strs"] = [tokenizer.decode([token_id]) for token_id in ids]
        return JSONResponse(answer)

    async def check_tools(self, http: Request) -> Response:
        """Which tools would be admitted, and what becomes of each keyword of their schemas."""
        request = tool_check.parse_tool_check_request(await self._body(http))
        tools = declared_tools([tool.function for tool in request.tools], self._config.limits.max_tools)
        schemas = self._admission.schemas(request.on_unenforceable)
        backend = self._admission.first_backend
        # Off the loop: a schema may take its second.
        return JSONResponse(await asyncio.to_thread(checked_tools, tools, schemas, backend))

    async def _turn(self, http: Request, asked: TurnRequest, stream: bool) -> Turn:
        record = record_of(http.scope)
        asked = _as_headers_say(asked, http.headers)
        record.tools = len(asked.conversation.tools)
        # Off the loop: a schema may take its second, and others are being answered meanwhile.
        admitted = await asyncio.to_thread(self._admission.admit, asked)
        turn = self._new_turn(record, record.request_id, admitted)
        self._note(record, asked.model, [turn], stream)
        record.admission = "checked" if admitted.checked else "enforced"
        if self._config.observability.log_prompts:
            record.texts = {"messages": [message.to_openai() for message in asked.conversation.messages]}
        return turn

    def _new_turn(self, record: RequestRecord, request_id: str, admitted: Admitted, first_index: int = 0) -> Turn:
        def failed_over() -> None:
            record.failovers += 1

        timeout = self._config.limits.failover_timeout_s
        return Turn(request_id, self._chat, self._replicas, admitted, timeout, failed_over, first_index)

    def _note(self, record: RequestRecord, model: str, turns: Sequence[Turn], stream: bool) -> None:
        record.model, record.stream = model, stream
        record.adapter = turns[0].admitted.adapter
        record.choices = sum(len(turn.answers) for turn in turns)
        record.prompt_tokens = sum(len(turn.admitted.prompt_ids) for turn in turns)

    def _echoed(self, turn: Turn, echo: bool) -> str:
        return self._chat.tokenizer.decode(turn.admitted.prompt_ids) if echo else ""

    async def _respond(self, http: Request, turns: Sequence[Turn], writing: Writing, explain: bool = False) -> Response:
        record = record_of(http.scope)
        work = self._work(turns, explain, record)
        if record.stream:
            # Wait for the first token before the status line, so that what fails at once fails with the right code.
            async with while_connected(http.receive):
                first = await anext(work, None)
            return EventStream(self._events(writing, record, first, work))
        async with while_connected(http.receive), aclosing(work):
            async for _ in work:
                pass
        return Response(writing.whole(), media_type="application/json")

    async def _work(self, turns: Sequence[Turn], explain: bool, record: RequestRecord) -> AsyncGenerator[Progress]:
        """All that is generated for a request; at its end the answers are finished and checked.

        Raises EngineError, and RequestError with status 408 when it takes too long.
        """
        record.admit()
        seconds = self._config.limits.request_timeout_s
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        source = turns[0].progress() if len(turns) == 1 else merged([turn.progress() for turn in turns])
        try:
            async with aclosing(source):
                while (item := await before(deadline, anext(source, None))) is not None:
                    record.tokens_came()
                    yield item
            await before(deadline, self._finish(turns, explain, record))
        except DeadlineError as error:
            raise RequestError(f"the answer took longer than {seconds:g} s", code="timeout", status=408) from error
        finally:
            _count(turns, record)

    async def _events(
        self, writing: Writing, record: RequestRecord, first: Progress | None, work: AsyncGenerator[Progress]
    ) -> AsyncGenerator[str]:
        yield writing.opening() + ("" if first is None else writing.progress(*first))
        try:
            async with aclosing(work):
                async for item in work:
                    yield writing.progress(*item)
        except EngineError as error:
            logger.error("stream_failed id=%s %s", record.request_id, error)
            record.outcome = Outcome.FAILED
            yield writing.failure(f"the engine failed: {error}", "engine_failed")
        except RequestError as error:
            record.outcome = outcome_of_status(error.status)
            yield writing.failure(str(error), error.code or "failed")
        else:
            yield writing.ending()

    async def _finish(self, turns: Sequence[Turn], explain: bool, record: RequestRecord) -> None:
        for turn in turns:
            if explain:
                await turn.explain()
            record.invalid_calls += len(await turn.finish())
        if record.texts is not None:
            answers = [answer for turn in turns for answer in turn.answers]
            record.texts["answers"] = [answer.message.to_openai() for answer in answers]

    async def _body(self, http: Request) -> bytes:
        limit = self._config.limits.max_body_bytes
        body = bytearray()
        async for piece in http.stream():
            body += piece
            if len(body) > limit:
                raise RequestError(f"the body exceeds {limit} bytes", code="request_too_large", status=413)
        return bytes(body)


def _as_headers_say(asked: TurnRequest, headers: Mapping[str, str]) -> TurnRequest:
    """The request, its constraint switched off where the header says so. Raises RequestError."""
    value = headers.get(CONSTRAINED_HEADER, "true")
    if value not in ("true", "false"):
        raise RequestError(f"{CONSTRAINED_HEADER}: {value!r} is neither 'true' nor 'false'", CONSTRAINED_HEADER)
    return asked if value == "true" else replace(asked, constrained=False)


def _count(turns: Sequence[Turn], record: RequestRecord) -> None:
    """Note what was generated, all of it or up to where it broke off."""
    answers = [answer for turn in turns for answer in turn.answers]
    usage = usage_of(answers, len(turns[0].answers))
    record.completion_tokens = usage.completion_tokens
    record.cached_tokens = usage.cached_tokens or 0
    record.reasoning_tokens = usage.reasoning_tokens or 0
    record.calls = sum(len(answer.message.tool_calls) for answer in answers)
    record.finish_reasons = [answer.finish_reason for answer in answers if answer.finished_by is not None]

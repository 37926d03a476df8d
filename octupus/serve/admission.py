"""Which requests are admitted: tools whose schemas can be enforced, prompts that fit, and the spec of the turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from octupus.chat.registry import ModelChat
from octupus.chat.render import render
from octupus.conversation import Conversation, Tool, json_text
from octupus.decoding.arguments import ArgumentsBackend
from octupus.decoding.backends import Backends
from octupus.decoding.turn import WATCHED_TOKENS, TurnConstraint, TurnSpec
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import RequestError, UnenforceableSchemaError
from octupus.schema.admission import prepare
from octupus.schema.validation import check_schema, parse_arguments, violations
from octupus.serve.config import ServeConfig
from octupus.serve.engine import Sampling
from octupus.serve.protocol import ChatRequest, conversation_of, tool_choice_of

_CHECKED_TOOLS = 4096


@dataclass(frozen=True)
class Admitted:
    """A request that can be answered as it was asked."""

    prompt_ids: list[int]
    sampling: Sampling
    spec: TurnSpec | None
    """None when the request asked for a bare model."""
    tools: tuple[Tool, ...]


class Admission:
    """Checks requests against one model."""

    def __init__(self, config: ServeConfig, chat: ModelChat, max_model_len: int) -> None:
        self._config = config
        self._chat = chat
        self._max_model_len = max_model_len
        self._vocabulary = TokenVocabulary(chat.tokenizer)
        self._backend: ArgumentsBackend = Backends(self._vocabulary).named(config.decoding.backend)
        # Agents send the same tools with every request.
        self._check_tool = lru_cache(maxsize=_CHECKED_TOOLS)(self._check_tool_uncached)

    def admit(self, request: ChatRequest) -> Admitted:
        """Raises RequestError when the request cannot be answered as it was asked."""
        if request.model != self._config.model.id:
            message = f"model {request.model!r} is not served here; this server has {self._config.model.id!r}"
            raise RequestError(message, "model", "model_not_found", status=404)
        if not request.constrained and not self._config.decoding.allow_unconstrained:
            raise RequestError("this server does not switch its constraint off", "constrained", "unsupported_value")
        conversation = conversation_of(request, self._config.limits.max_tools)
        self._check_tools(conversation.tools)
        prompt_ids = self._prompt(conversation)
        sampling = self._sampling(request, len(prompt_ids))
        spec = self._spec(request, conversation.tools, sampling.max_tokens) if request.constrained else None
        if spec is not None and sampling.max_tokens <= WATCHED_TOKENS:
            self._check_budget(spec, sampling.max_tokens)
        return Admitted(prompt_ids, sampling, spec, conversation.tools)

    def _prompt(self, conversation: Conversation) -> list[int]:
        prompt_ids = render(conversation, self._chat.dialect, self._chat.tokenizer, generation_prompt=True).ids
        if len(prompt_ids) >= self._max_model_len:
            raise RequestError(
                f"the prompt has {len(prompt_ids)} tokens and the model's context {self._max_model_len}; shorten it",
                "messages",
                "context_length_exceeded",
            )
        return prompt_ids

    def _spec(self, request: ChatRequest, tools: Sequence[Tool], max_tokens: int) -> TurnSpec:
        choice, name = tool_choice_of(request, tools)
        allowed = {tool.function.name: tool.function.parameters for tool in tools if name in (None, tool.function.name)}
        parallel = request.parallel_tool_calls is not False
        return TurnSpec({} if choice == "none" else allowed, choice, parallel, self._backend.name, max_tokens)

    def _sampling(self, request: ChatRequest, prompt_tokens: int) -> Sampling:
        room = self._max_model_len - prompt_tokens
        asked = request.max_completion_tokens or request.max_tokens or self._config.limits.default_max_tokens
        return Sampling(
            max_tokens=min(asked, room),
            temperature=1.0 if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            top_k=request.top_k or 0,
            min_p=request.min_p or 0.0,
            seed=request.seed,
            presence_penalty=request.presence_penalty or 0.0,
            frequency_penalty=request.frequency_penalty or 0.0,
        )

    def _check_budget(self, spec: TurnSpec, max_tokens: int) -> None:
        shortest = TurnConstraint(spec, self._vocabulary, self._backend).shortest()
        if shortest is not None and shortest > max_tokens:
            raise RequestError(
                f"max_tokens is {max_tokens}, but the shortest answer that tool_choice and tools admit has {shortest} "
                "tokens; raise it",
                "max_tokens",
            )

    def _check_tools(self, tools: Sequence[Tool]) -> None:
        for position, tool in enumerate(tools):
            problem = self._check_tool(json_text(tool.function.model_dump()))
            if problem is not None:
                field = f"tools.{position}.function.parameters"
                raise RequestError(f"{field}: {problem}", field, "invalid_function_parameters")

    def _check_tool_uncached(self, definition: str) -> str | None:
        tool = Tool.model_validate({"function": parse_arguments(definition)}).function
        invalid = check_schema(tool.parameters)
        if invalid is not None:
            return f"tool {tool.name!r}: not a valid JSON Schema at {invalid.pointer or '/'}: {invalid.message}"
        for found in self._backend.check(tool.parameters):
            return str(UnenforceableSchemaError(tool.name, found.keyword, found.json_pointer, found.explanation))
        return None


def invalid_calls(calls: Sequence[tuple[str, str]], tools: Sequence[Tool]) -> list[str]:
    """What is wrong with finished calls, given as (name, arguments): the last check, which must find nothing."""
    schemas = {tool.function.name: prepare(tool.function.parameters) for tool in tools}
    problems: list[str] = []
    for name, arguments in calls:
        if name not in schemas:
            problems.append(f"{name!r} is not among the tools")
            continue
        try:
            found = violations(schemas[name], parse_arguments(arguments))
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        problems += [f"{name}: {violation.message} at {violation.pointer or '/'}" for violation in found]
    return problems

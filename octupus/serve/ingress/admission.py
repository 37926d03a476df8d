"""Which requests are admitted: schemas that can be enforced, prompts and answers that fit, and the spec of the turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from octupus.chat.registry import ModelChat
from octupus.chat.render import render, render_segments
from octupus.conversation import Tool
from octupus.decoding.admission import (
    AUTO,
    AdmittedSchema,
    OnUnenforceable,
    RefusedSchemaError,
    SchemaAdmission,
    choice_pattern,
)
from octupus.decoding.backends import AUTOMATIC
from octupus.decoding.compiled_turn import CompiledTurn
from octupus.decoding.spec import TurnSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import RequestError
from octupus.schema.unsupported import Unsupported
from octupus.serve.config import ServeConfig
from octupus.serve.engine.sampling import Sampling
from octupus.serve.ingress.models import ServedModels
from octupus.serve.protocol.completions import CompletionRequest
from octupus.serve.protocol.turn_request import ContentRule, Draw, TurnRequest

DEFAULT_COMPLETION_TOKENS = 16
"""OpenAI's own default of /v1/completions."""


@dataclass(frozen=True)
class Admitted:
    """A request that can be answered as it was asked."""

    prompt_ids: list[int]
    sampling: Sampling
    turn: CompiledTurn | None
    """None when the request asked for a bare model."""
    tools: tuple[Tool, ...] = ()
    content: ContentRule | None = None
    checked: dict[str, tuple[Unsupported, ...]] = field(default_factory=dict)
    """What the masks do not hold, by tool; that of content stands under the empty name."""
    adapter: str | None = None
    choices: int = 1
    stop: tuple[str, ...] = ()
    is_text: bool = False
    """Whether the prompt is plain text to go on with, rather than a conversation."""

    @property
    def spec(self) -> TurnSpec | None:
        """The turn's rules."""
        return None if self.turn is None else self.turn.spec

    def drawn(self, choice: int) -> Sampling:
        """How the tokens of one of the answers are drawn: each has a seed of its own."""
        seed = self.sampling.seed
        return self.sampling if seed is None or not choice else replace(self.sampling, seed=_following(seed, choice))

    def hurried(self, ids: Sequence[int]) -> bool:
        """Whether the budget took a choice from the model in a finished turn."""
        if self.turn is None:
            return False
        left, watched = self.sampling.max_tokens - len(ids), self.turn.watched
        if watched is not None and left > watched:
            return False
        constraint = TurnConstraint(self.turn)
        return constraint.accept_all(ids) and constraint.hurried


class Admission:
    """Checks requests against one model. May be used by several threads at once."""

    def __init__(self, config: ServeConfig, chat: ModelChat, models: ServedModels, max_model_len: int) -> None:
        self._config = config
        self._chat = chat
        self._models = models
        self._max_model_len = max_model_len
        self._factory = TurnFactory(TokenVocabulary(chat.tokenizer), chat.dialect.layout(chat.tokenizer))
        self._schemas: dict[OnUnenforceable, SchemaAdmission] = {
            choice: SchemaAdmission(self._factory, config.decoding.backend, choice) for choice in ("refuse", "check")
        }
        self._factory.warm()
        self._schemas["refuse"].warm()

    def admit(self, request: TurnRequest) -> Admitted:
        """Raises RequestError when the request cannot be answered as it was asked."""
        adapter = self._models.adapter_of(request.model)
        if not request.constrained and not self._config.decoding.allow_unconstrained:
            raise RequestError("this server does not switch its constraint off", "constrained", "unsupported_value")
        self._check_combination(request)
        schemas = self.schemas(request.on_unenforceable)
        tools = self._tools(request, schemas)
        content, pattern = self._content(request.content, schemas)
        prompt_ids = self.prompt(request)
        room = self._room(len(prompt_ids), request.fields.messages)
        limit = request.max_tokens or self._config.limits.default_max_tokens
        sampling = self._sampling(request.draw, min(limit, room), request.logprobs)
        checked = {name: tool.checked for name, tool in tools.items() if tool.checked}
        if content is not None and content.checked:
            checked[""] = content.checked
        turn = None
        if request.constrained:
            turn = self._factory.compile(self._spec(request, tools, content, pattern, sampling.max_tokens))
            self._check_budget(turn, request.fields.max_tokens)
        return Admitted(
            prompt_ids=prompt_ids,
            sampling=sampling,
            turn=turn,
            tools=request.conversation.tools,
            content=request.content if request.constrained else None,
            checked=checked if request.constrained else {},
            adapter=adapter,
            choices=request.choices,
            stop=request.stop,
        )

    def admit_text(self, request: CompletionRequest, prompt: str | Sequence[int]) -> Admitted:
        """One prompt of /v1/completions, which the model goes on with; there is no turn. Raises RequestError."""
        adapter = self._models.adapter_of(request.model)
        self._check_choices(request.n or 1)
        prompt_ids = self._chat.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
        if not prompt_ids:
            raise RequestError("prompt: it holds no token; give some text", "prompt")
        if max(prompt_ids) >= len(self._chat.tokenizer):
            raise RequestError(f"prompt: token ids must be below {len(self._chat.tokenizer)}", "prompt")
        room = self._room(len(prompt_ids), "prompt")
        limit = min(request.max_tokens or DEFAULT_COMPLETION_TOKENS, room)
        sampling = self._sampling(request.draw, limit, request.logprobs)
        return Admitted(
            prompt_ids, sampling, None, adapter=adapter, choices=request.n or 1, stop=request.stops, is_text=True
        )

    def schemas(self, on_unenforceable: OnUnenforceable | None) -> SchemaAdmission:
        """The admission of schemas that a request, or else the server, asks for."""
        return self._schemas[on_unenforceable or self._config.decoding.on_unenforceable]

    @property
    def first_backend(self) -> str:
        """The backend that a schema is tried with first."""
        backend = self._config.decoding.backend
        return AUTOMATIC[0] if backend == AUTO else backend

    def prompt(self, request: TurnRequest) -> list[int]:
        """The ids that the model is given."""
        dialect, tokenizer = self._chat.dialect, self._chat.tokenizer
        ids = render(request.conversation, dialect, tokenizer, generation_prompt=True).ids
        return ids if request.thinking else ids + render_segments(dialect.without_thinking(tokenizer), tokenizer).ids

    def _room(self, prompt_tokens: int, field: str) -> int:
        """Tokens of the context that are left for the answer. Raises RequestError where there is none."""
        room = self._max_model_len - prompt_tokens
        if room < 1:
            raise RequestError(
                f"the prompt has {prompt_tokens} tokens and the model's context {self._max_model_len}; shorten it",
                field,
                "context_length_exceeded",
            )
        return room

    def _check_combination(self, request: TurnRequest) -> None:
        self._check_choices(request.choices)
        if request.stop and request.content is not None:
            raise RequestError(
                f"stop would cut what {request.content.field} asks for; leave one of them out",
                "stop",
                "unsupported_value",
            )
        if request.explain and (not request.constrained or request.choices > 1):
            raise RequestError(
                "explain tells how the constraint acted on one answer; leave out constrained: false, and n",
                "explain",
                "unsupported_value",
            )

    def _check_choices(self, choices: int) -> None:
        limit = self._config.limits.max_choices
        if choices > limit:
            raise RequestError(f"n is {choices} and the limit of this server {limit}", "n")

    def _spec(
        self,
        request: TurnRequest,
        admitted: dict[str, AdmittedSchema],
        content: AdmittedSchema | None,
        pattern: str | None,
        max_tokens: int,
    ) -> TurnSpec:
        limits = [limit for limit in (request.max_tool_calls, self._config.decoding.max_tool_calls) if limit]
        return TurnSpec(
            tools={name: admitted[name].value for name in request.tool_choice.names},
            tool_choice=request.tool_choice.mode,
            parallel=request.parallel,
            max_calls=min(limits, default=None),
            max_tokens=max_tokens,
            content=None if content is None else content.value,
            pattern=pattern,
            thinking=request.thinking,
        )

    def _sampling(self, draw: Draw, max_tokens: int, logprobs: int | None) -> Sampling:
        given = {name: value for name, value in vars(draw).items() if value is not None}
        too_high = [token_id for token_id in draw.logit_bias if token_id >= len(self._chat.tokenizer)]
        if too_high:
            raise RequestError(f"logit_bias: there is no token {too_high[0]}", "logit_bias")
        return Sampling(max_tokens=max_tokens, logprobs=logprobs, **given)

    def _check_budget(self, turn: CompiledTurn, field: str) -> None:
        if turn.spec.max_tokens is not None and turn.shortest > turn.spec.max_tokens:
            raise RequestError(
                f"{field} is {turn.spec.max_tokens}, but the shortest answer that the request admits has "
                f"{turn.shortest} tokens; raise it, or shorten the prompt if the context is full",
                field,
            )

    def _tools(self, request: TurnRequest, schemas: SchemaAdmission) -> dict[str, AdmittedSchema]:
        admitted: dict[str, AdmittedSchema] = {}
        for position, tool in enumerate(request.conversation.tools):
            try:
                admitted[tool.function.name] = schemas.arguments(tool.function.parameters)
            except RefusedSchemaError as error:
                parameter = request.fields.parameters.format(position=position)
                message = f"{parameter}: tool {tool.function.name!r}: {error}"
                raise RequestError(message, parameter, "invalid_function_parameters") from error
        return admitted

    def _content(self, rule: ContentRule | None, schemas: SchemaAdmission) -> tuple[AdmittedSchema | None, str | None]:
        if rule is None:
            return None, None
        try:
            if rule.schema is not None:
                return schemas.value(rule.schema), None
            pattern = rule.regex if rule.regex is not None else choice_pattern(rule.choices)
            schemas.pattern(pattern)
        except RefusedSchemaError as error:
            raise RequestError(f"{rule.field}: {error}", rule.field, "invalid_schema") from error
        return None, pattern


def _following(seed: int, choice: int) -> int:
    """The seed of a later answer: another one each, within the 64 bits that vLLM takes."""
    return (seed + choice + 2**63) % 2**64 - 2**63

"""Which requests are admitted: schemas that can be enforced, prompts and answers that fit, and the spec of the turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from octupus.chat.registry import ModelChat
from octupus.chat.render import render
from octupus.conversation import Conversation, Tool
from octupus.decoding.admission import (
    AdmittedSchema,
    OnUnenforceable,
    RefusedSchemaError,
    SchemaAdmission,
    choice_pattern,
)
from octupus.decoding.compiled_turn import CompiledTurn
from octupus.decoding.spec import TurnSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import RequestError
from octupus.schema.unsupported import Unsupported
from octupus.serve.config import ServeConfig
from octupus.serve.engine.vllm_engine import Sampling
from octupus.serve.protocol.chat import ChatRequest, ContentRule, content_rule_of, conversation_of, tool_choice_of


@dataclass(frozen=True)
class Admitted:
    """A request that can be answered as it was asked."""

    prompt_ids: list[int]
    sampling: Sampling
    turn: CompiledTurn | None
    """None when the request asked for a bare model."""
    tools: tuple[Tool, ...]
    content: ContentRule | None = None
    checked: dict[str, tuple[Unsupported, ...]] = field(default_factory=dict)
    """What the masks do not hold, by tool; that of content stands under the empty name."""

    @property
    def spec(self) -> TurnSpec | None:
        """The turn's rules."""
        return None if self.turn is None else self.turn.spec

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

    def __init__(self, config: ServeConfig, chat: ModelChat, max_model_len: int) -> None:
        self._config = config
        self._chat = chat
        self._max_model_len = max_model_len
        self._factory = TurnFactory(TokenVocabulary(chat.tokenizer), chat.dialect.layout(chat.tokenizer))
        self._schemas: dict[OnUnenforceable, SchemaAdmission] = {
            choice: SchemaAdmission(self._factory, config.decoding.backend, choice) for choice in ("refuse", "check")
        }
        self._factory.warm()
        self._schemas["refuse"].warm()

    def admit(self, request: ChatRequest) -> Admitted:
        """Raises RequestError when the request cannot be answered as it was asked."""
        if request.model != self._config.model.id:
            message = f"model {request.model!r} is not served here; this server has {self._config.model.id!r}"
            raise RequestError(message, "model", "model_not_found", status=404)
        if not request.constrained and not self._config.decoding.allow_unconstrained:
            raise RequestError("this server does not switch its constraint off", "constrained", "unsupported_value")
        conversation = conversation_of(request, self._config.limits.max_tools)
        schemas = self._schemas[request.on_unenforceable or self._config.decoding.on_unenforceable]
        tools = self._tools(conversation.tools, schemas)
        rule = content_rule_of(request)
        content, pattern = self._content(rule, schemas)
        prompt_ids = self._prompt(conversation)
        sampling = self._sampling(request, len(prompt_ids))
        checked = {name: tool.checked for name, tool in tools.items() if tool.checked}
        if content is not None and content.checked:
            checked[""] = content.checked
        if not request.constrained:
            return Admitted(prompt_ids, sampling, None, conversation.tools)
        spec = self._spec(request, conversation.tools, tools, content, pattern, sampling.max_tokens)
        turn = self._factory.compile(spec)
        self._check_budget(turn)
        return Admitted(prompt_ids, sampling, turn, conversation.tools, rule, checked)

    def _prompt(self, conversation: Conversation) -> list[int]:
        prompt_ids = render(conversation, self._chat.dialect, self._chat.tokenizer, generation_prompt=True).ids
        if len(prompt_ids) >= self._max_model_len:
            raise RequestError(
                f"the prompt has {len(prompt_ids)} tokens and the model's context {self._max_model_len}; shorten it",
                "messages",
                "context_length_exceeded",
            )
        return prompt_ids

    def _spec(
        self,
        request: ChatRequest,
        declared: Sequence[Tool],
        admitted: dict[str, AdmittedSchema],
        content: AdmittedSchema | None,
        pattern: str | None,
        max_tokens: int,
    ) -> TurnSpec:
        choice = tool_choice_of(request, declared)
        limits = [limit for limit in (request.max_tool_calls, self._config.decoding.max_tool_calls) if limit]
        return TurnSpec(
            tools={name: admitted[name].value for name in choice.names},
            tool_choice=choice.mode,
            parallel=request.parallel_tool_calls is not False,
            max_calls=min(limits, default=None),
            max_tokens=max_tokens,
            content=None if content is None else content.value,
            pattern=pattern,
        )

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

    def _check_budget(self, turn: CompiledTurn) -> None:
        if turn.spec.max_tokens is not None and turn.shortest > turn.spec.max_tokens:
            raise RequestError(
                f"max_tokens is {turn.spec.max_tokens}, but the shortest answer that the request admits has "
                f"{turn.shortest} tokens; raise it, or shorten the prompt if the context is full",
                "max_tokens",
            )

    def _tools(self, tools: Sequence[Tool], schemas: SchemaAdmission) -> dict[str, AdmittedSchema]:
        admitted: dict[str, AdmittedSchema] = {}
        for position, tool in enumerate(tools):
            try:
                admitted[tool.function.name] = schemas.arguments(tool.function.parameters)
            except RefusedSchemaError as error:
                parameter = f"tools.{position}.function.parameters"
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

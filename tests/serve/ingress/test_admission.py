"""Admission: which requests are answered, with which prompt, budget and turn."""

import json
from pathlib import Path
from typing import Any

import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.registry import ModelChat
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Tool
from octupus.errors import RequestError
from octupus.serve.config import DecodingConfig, ModelConfig, ServeConfig
from octupus.serve.ingress.admission import Admission
from octupus.serve.ingress.last_check import invalid_calls
from octupus.serve.ingress.models import ServedModels
from octupus.serve.protocol.chat import parse_chat_request, turn_request_of
from octupus.serve.protocol.completions import parse_completion_request


@pytest.fixture(scope="module")
def admission(tokenizer: ChatTokenizer) -> Admission:
    config = ServeConfig(model=ModelConfig(source=Path("unused"), id="m"))
    return Admission(config, ModelChat(OCTUPUS, tokenizer), ServedModels(config, 0, "octupus", 400), max_model_len=400)


def request(parameters: dict[str, Any] | None = None, **fields: Any) -> Any:
    values: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    if parameters is not None:
        values["tools"] = [{"type": "function", "function": {"name": "tool", "parameters": parameters}}]
    return turn_request_of(parse_chat_request(json.dumps(values | fields).encode()), max_tools=128)


def test_an_admitted_request(admission: Admission, tokenizer: ChatTokenizer) -> None:
    admitted = admission.admit(request({"type": "object", "properties": {}}, max_tokens=9, parallel_tool_calls=False))
    assert tokenizer.decode(admitted.prompt_ids).endswith("<|USER|>hi<|ASSISTANT|>")
    assert admitted.sampling.max_tokens == 9
    assert admitted.spec is not None
    assert (admitted.spec.tool_choice, admitted.spec.parallel, set(admitted.spec.tools)) == ("auto", False, {"tool"})
    unlimited = admission.admit(request())
    assert unlimited.sampling.max_tokens == 400 - len(unlimited.prompt_ids)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}, "/properties/a/uniqueItems"),
        ({"type": "object", "properties": {"a": {"type": "string", "not": {"pattern": "b"}}}}, "/properties/a/not"),
        ({"type": "object", "properties": {"a": {"$ref": "http://example.com/x"}}}, r"properties/a|example.com"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}}, "missing"),
        ({"type": "objekt"}, "/type"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)"}}}, "/properties/a"),
        ({"type": "object", "properties": {"a": {"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}}}, "/properties/a"),
    ],
)
def test_a_schema_that_cannot_be_enforced_is_refused_with_its_place(
    admission: Admission, parameters: dict[str, Any], expected: str
) -> None:
    with pytest.raises(RequestError, match=expected) as refused:
        admission.admit(request(parameters))
    assert refused.value.parameter == "tools.0.function.parameters"
    assert refused.value.status == 400


def test_prompts_models_and_switches_that_are_refused(admission: Admission, tokenizer: ChatTokenizer) -> None:
    with pytest.raises(RequestError, match="context 400"):
        admission.admit(request(messages=[{"role": "user", "content": "z " * 400}]))
    with pytest.raises(RequestError) as refused:
        admission.admit(request(model="other"))
    assert refused.value.status == 404
    with pytest.raises(RequestError, match="constraint"):
        admission.admit(request(constrained=False))
    config = ServeConfig(
        model=ModelConfig(source=Path("unused"), id="m"), decoding=DecodingConfig(allow_unconstrained=True)
    )
    bare = Admission(config, ModelChat(OCTUPUS, tokenizer), ServedModels(config, 0, "octupus", 400), 400).admit(
        request(constrained=False)
    )
    assert bare.spec is None


def test_a_budget_that_cannot_hold_the_answer_is_refused_with_the_number(admission: Admission) -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "string", "minLength": 5}}, "required": ["a"]}
    with pytest.raises(RequestError, match=r"shortest answer .* has \d+ tokens") as refused:
        admission.admit(request(parameters, tool_choice="required", max_tokens=8))
    assert refused.value.parameter == "max_tokens"
    assert admission.admit(request(parameters, max_tokens=8)).spec is not None


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (("tool", '{"a": 1}'), None),
        (("tool", '{"a": "x"}'), "not of type"),
        (("tool", '{"a": 1, "b": 2}'), "b"),
        (("tool", '{"a": 1'), "tool"),
        (("tool", "[]"), "object"),
        (("other", "{}"), "not among the tools"),
    ],
)
def test_the_last_check_of_finished_calls(call: tuple[str, str], problem: str | None) -> None:
    tools = [
        Tool.model_validate(
            {"function": {"name": "tool", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
        )
    ]
    found = invalid_calls([call], tools)
    assert (not found) if problem is None else problem in found[0]


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"n": 17}, "n"),
        ({"stop": "a", "response_format": {"type": "json_object"}}, "stop"),
        ({"explain": True, "n": 2}, "explain"),
        ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"model": "m:adapter"}, "model"),
    ],
)
def test_what_cannot_be_done_together_is_refused(admission: Admission, fields: dict[str, Any], parameter: str) -> None:
    with pytest.raises(RequestError) as refused:
        admission.admit(request(**fields))
    assert refused.value.parameter == parameter


def test_each_answer_has_a_seed_of_its_own(admission: Admission) -> None:
    admitted = admission.admit(request(n=3, seed=2**63 - 2))
    seeds = [admitted.drawn(choice).seed for choice in range(3)]
    assert seeds == [2**63 - 2, 2**63 - 1, -(2**63)]
    assert [admission.admit(request(n=2)).drawn(choice).seed for choice in range(2)] == [None, None]


def test_text_to_go_on_with(admission: Admission, tokenizer: ChatTokenizer) -> None:
    def asked(prompt: Any, **fields: Any) -> Any:
        values = {"model": "m", "prompt": prompt, **fields}
        return parse_completion_request(json.dumps(values).encode())

    admitted = admission.admit_text(asked("<|USER|>hi"), "<|USER|>hi")
    assert tokenizer.control_id("<|USER|>") not in admitted.prompt_ids
    assert (admitted.turn, admitted.is_text, admitted.sampling.max_tokens) == (None, True, 16)
    assert admission.admit_text(asked([5, 6]), [5, 6]).prompt_ids == [5, 6]
    for prompt in ("", [len(tokenizer)], "z " * 400):
        with pytest.raises(RequestError) as refused:
            admission.admit_text(asked(prompt), prompt)
        assert refused.value.parameter == "prompt"

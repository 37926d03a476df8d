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
from octupus.serve.ingress.admission import Admission
from octupus.serve.config import DecodingConfig, ModelConfig, ServeConfig
from octupus.serve.ingress.last_check import invalid_calls
from octupus.serve.protocol.chat import parse_chat_request


@pytest.fixture(scope="module")
def admission(tokenizer: ChatTokenizer) -> Admission:
    config = ServeConfig(model=ModelConfig(source=Path("unused"), id="m"))
    return Admission(config, ModelChat(OCTUPUS, tokenizer), max_model_len=400)


def request(parameters: dict[str, Any] | None = None, **fields: Any) -> Any:
    values: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    if parameters is not None:
        values["tools"] = [{"type": "function", "function": {"name": "tool", "parameters": parameters}}]
    return parse_chat_request(json.dumps(values | fields).encode())


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
    bare = Admission(config, ModelChat(OCTUPUS, tokenizer), max_model_len=400).admit(request(constrained=False))
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

"""Constraints inside a real vLLM engine on two tensor-parallel ranks: all backends at once, preemption, replay.

The key-value cache is too small for the requests, so that vLLM preempts some in the middle of a turn and computes them
again later.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.parse import fold
from octupus.chat.registry import ModelChat, model_chat
from octupus.decoding.admission import SchemaAdmission
from octupus.decoding.backends import installed
from octupus.decoding.spec import TurnSpec, ValueSpec
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.serve.config import EngineConfig, ModelConfig, ServeConfig
from octupus.serve.engine.vllm_engine import Engine, Sampling, engine_environment

from .random_model import write_random_model

pytestmark = pytest.mark.timeout(900)

SCHEMA = {
    "type": "object",
    "properties": {
        "note": {"type": "string"},
        "kind": {"enum": ["short", "long", "北京"]},
        "points": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
    },
    "required": ["note", "kind", "points"],
}
MAX_TOKENS = 220


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> ModelChat:
    return model_chat(write_random_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:  # at its end it cancels what vLLM leaves running
        yield runner


@pytest.fixture(scope="module")
def engine(chat: ModelChat, loop: asyncio.Runner) -> Iterator[Engine]:
    config = EngineConfig(
        tensor_parallel_size=2,
        max_model_len=512,
        engine_kwargs={"num_gpu_blocks_override": 9, "disable_log_stats": False},
    )
    environment = engine_environment(config, on_cpu=True)
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    source = Path(chat.tokenizer.origin)
    serve = ServeConfig(model=ModelConfig(source=source), engine=config)

    async def start() -> Engine:
        return Engine(serve, chat.tokenizer.end_id, on_cpu=True)

    made = loop.run(start())
    yield made
    made.shutdown()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="module")
def tools(chat: ModelChat) -> dict[str, ValueSpec]:
    factory = TurnFactory(TokenVocabulary(chat.tokenizer), chat.dialect.layout(chat.tokenizer))
    return {name: SchemaAdmission(factory, name).arguments(SCHEMA).value for name in installed()}


async def generate(engine: Engine, prompt: list[int], seed: int, spec: TurnSpec | None, max_tokens: int) -> list[int]:
    ids: list[int] = []
    async for piece, _ in engine.generate(f"{seed}-{id(ids)}", prompt, Sampling(max_tokens, seed=seed), spec):
        ids += piece
    return ids


def check(chat: ModelChat, ids: list[int]) -> None:
    parser = OCTUPUS.parser(chat.tokenizer)
    message = fold([*parser.push(ids), *parser.finish()])
    assert parser.malformed is None, chat.tokenizer.decode(ids)
    assert message.tool_calls
    for call in message.tool_calls:
        jsonschema.validate(json.loads(call.function.arguments), SCHEMA)


def preemptions() -> float:
    from prometheus_client import REGISTRY

    samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == "vllm:num_preemptions_total")


def test_all_backends_in_one_batch_survive_preemption(
    engine: Engine, chat: ModelChat, loop: asyncio.Runner, tools: dict[str, ValueSpec]
) -> None:
    prompt = chat.tokenizer.encode("What is the weather in Paris?")

    async def ask_all() -> list[list[int]]:
        waiting = []
        for seed in range(8):
            for name, value in tools.items():
                rules = TurnSpec({name.replace("-", "_"): value}, "required", max_calls=2, max_tokens=MAX_TOKENS)
                waiting.append(generate(engine, prompt, seed, rules, MAX_TOKENS))
        return await asyncio.gather(*waiting)

    answers = loop.run(ask_all())
    for ids in answers:
        assert len(ids) <= MAX_TOKENS
        check(chat, ids)
    assert len({tuple(ids) for ids in answers}) > len(answers) // 2
    assert preemptions() > 0, "nothing was preempted, so nothing was tested"


def test_a_turn_goes_on_behind_tokens_that_exist_already(
    engine: Engine, chat: ModelChat, loop: asyncio.Runner, tools: dict[str, ValueSpec]
) -> None:
    """What another replica would do with an answer whose replica died."""
    prompt = chat.tokenizer.encode("What is the weather in Paris?")
    for value in tools.values():
        rules = TurnSpec({"note": value}, "required", parallel=False, max_tokens=MAX_TOKENS)
        whole = loop.run(generate(engine, prompt, 3, rules, MAX_TOKENS))
        check(chat, whole)
        for kept in (1, len(whole) // 2, len(whole) - 1):
            behind = TurnSpec(**(rules.__dict__ | {"generated": tuple(whole[:kept])}))
            rest = loop.run(generate(engine, prompt + whole[:kept], 4, behind, MAX_TOKENS - kept))
            assert kept + len(rest) <= MAX_TOKENS
            check(chat, whole[:kept] + rest)


def test_a_spec_that_does_not_compile_fails_alone(
    engine: Engine, chat: ModelChat, loop: asyncio.Runner, tools: dict[str, ValueSpec]
) -> None:
    prompt = chat.tokenizer.encode("hi")
    good = TurnSpec({"note": next(iter(tools.values()))}, "required", max_tokens=MAX_TOKENS)
    bad: Any = TurnSpec({"note": ValueSpec({"enum": []})}, "required", max_tokens=MAX_TOKENS)

    async def both() -> list[Any]:
        return await asyncio.gather(
            generate(engine, prompt, 1, bad, MAX_TOKENS),
            generate(engine, prompt, 1, good, MAX_TOKENS),
            return_exceptions=True,
        )

    failed, answered = loop.run(both())
    assert isinstance(failed, Exception)
    check(chat, answered)

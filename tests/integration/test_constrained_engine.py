"""A real vLLM engine on two tensor-parallel ranks: constraints, preemption, answers that go on elsewhere, death.

The key-value cache is too small for the requests, so that vLLM preempts some in the middle of a turn and computes them
again later; and prompts are read in pieces of 64 tokens.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
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
from octupus.errors import EngineError, RequestError
from octupus.serve.config import EngineConfig, ModelConfig, ServeConfig
from octupus.serve.engine.arguments import engine_environment
from octupus.serve.engine.placement import Node, placement
from octupus.serve.engine.sampling import Generated, Sampling
from octupus.serve.engine.vllm_engine import Engine, EngineDead

from .process_tree import descendants
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
        engine_kwargs={"num_gpu_blocks_override": 9, "max_num_batched_tokens": 64, "disable_log_stats": False},
    )
    environment = engine_environment(config, on_cpu=True)
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    source = Path(chat.tokenizer.origin)
    serve = ServeConfig(model=ModelConfig(source=source), engine=config)

    made = loop.run(Engine.start(serve, chat.tokenizer.end_id, placement(config, [Node(cpus=2)])))
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
    return await answer(engine, prompt, Sampling(max_tokens, seed=seed), spec)


async def answer(
    engine: Engine, prompt: list[int], sampling: Sampling, spec: TurnSpec | None = None, generated: tuple[int, ...] = ()
) -> list[int]:
    items = [item async for item in engine.generate("request", prompt, sampling, spec, generated)]
    assert [item.finish_reason for item in items][:-1] == [None] * (len(items) - 1)
    assert items[-1].finish_reason in ("stop", "length")
    return [token for item in items for token in item.ids]


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
            rest = loop.run(answer(engine, prompt, Sampling(MAX_TOKENS, seed=4), rules, tuple(whole[:kept])))
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


DRAWING = {
    "seed": Sampling(60, seed=3),
    "nucleus": Sampling(60, seed=3, temperature=0.8, top_p=0.9, top_k=50),
    "penalties": Sampling(60, seed=3, presence_penalty=1.5, frequency_penalty=0.7, repetition_penalty=1.2),
    "greedy": Sampling(60, temperature=0.0, presence_penalty=1.5, logit_bias={5: 2.0}),
}


@pytest.mark.parametrize("drawing", DRAWING)
@pytest.mark.parametrize("constrained", [False, True])
def test_the_rest_of_an_answer_is_what_the_unbroken_answer_had(
    engine: Engine,
    chat: ModelChat,
    loop: asyncio.Runner,
    tools: dict[str, ValueSpec],
    drawing: str,
    constrained: bool,
) -> None:
    prompt = chat.tokenizer.encode("What is the weather in Paris?") * 12
    assert len(prompt) > 64, "read in one piece"
    sampling = DRAWING[drawing]
    spec = TurnSpec({"note": tools["llguidance"]}, max_tokens=60) if constrained else None

    async def check_all() -> None:
        whole = await answer(engine, prompt, sampling, spec)
        other = await answer(engine, prompt, replace(sampling, seed=5), spec)
        assert (other == whole) == (sampling.temperature == 0)
        kept = sorted({0, 1, 2, len(whole) // 3, len(whole) - 1, len(whole)})
        rests = await asyncio.gather(*(answer(engine, prompt, sampling, spec, tuple(whole[:count])) for count in kept))
        assert [whole[:count] + rest for count, rest in zip(kept, rests, strict=True)] == [whole] * len(kept)

    loop.run(check_all())


def test_scores_begin_with_the_drawn_token_and_hold_nothing_forbidden(
    engine: Engine, chat: ModelChat, loop: asyncio.Runner, tools: dict[str, ValueSpec]
) -> None:
    prompt = chat.tokenizer.encode("What is the weather in Paris?")
    spec = TurnSpec({"note": tools["llguidance"]}, "required", max_tokens=40)

    async def ask() -> list[Generated]:
        return [item async for item in engine.generate("r", prompt, Sampling(40, seed=1, logprobs=5), spec)]

    for item in loop.run(ask()):
        assert item.scores is not None
        for token, scores in zip(item.ids, item.scores, strict=True):
            assert scores[0][0] == token
            others = [score for _, score in scores[1:]]
            assert others == sorted(others, reverse=True)
            assert all(score > float("-inf") for score in others)
            assert len({token for token, _ in scores}) == len(scores) <= 6


def test_the_beginning_of_a_prompt_is_found_in_the_cache(engine: Engine, chat: ModelChat, loop: asyncio.Runner) -> None:
    prompt = chat.tokenizer.encode("What is the weather in Paris?") * 30

    async def cached(generated: tuple[int, ...] = ()) -> list[int | None]:
        stream = engine.generate("r", prompt, Sampling(3, temperature=0), None, generated)
        return [item.cached_tokens async for item in stream]

    loop.run(cached())
    first, *others = loop.run(cached())
    assert first is not None
    assert 0 < first < len(prompt)
    assert others == [None] * len(others)
    assert loop.run(cached((5,))) == [None] * 2


def test_a_stream_that_is_closed_is_aborted(engine: Engine, chat: ModelChat, loop: asyncio.Runner) -> None:
    prompt = chat.tokenizer.encode("hi")

    async def leave() -> int:
        stream = engine.generate("r", prompt, Sampling(400), None)
        await anext(stream)
        await stream.aclose()
        unfinished: int = engine._llm.get_num_unfinished_requests()
        return unfinished

    assert loop.run(leave()) == 0


@pytest.mark.parametrize(
    ("sampling", "length", "message"),
    [
        (Sampling(10, temperature=-1), 1, "temperature must be non-negative"),
        (Sampling(10, logit_bias={10**6: 1.0}), 1, "out-of-vocab"),
        (Sampling(10), 600, "maximum context length is 512"),
    ],
)
def test_what_vllm_refuses_is_the_requests_fault(
    engine: Engine, loop: asyncio.Runner, sampling: Sampling, length: int, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        loop.run(answer(engine, [5] * length, sampling))


def test_an_engine_that_does_not_start_says_why_in_its_own_words(
    engine: Engine, chat: ModelChat, loop: asyncio.Runner
) -> None:
    """The error of a process that is gone. `engine` holds the environment."""
    config = EngineConfig(engine_kwargs={"num_gpu_blocks_override": 1})
    serve = ServeConfig(model=ModelConfig(source=Path(chat.tokenizer.origin)), engine=config)
    with pytest.raises(EngineError, match=r"vLLM did not start: ValueError: .*cache"):
        loop.run(Engine.start(serve, chat.tokenizer.end_id, placement(config, [Node(cpus=1)])))


def test_a_rank_that_is_killed_kills_the_engine_at_once(engine: Engine, chat: ModelChat, loop: asyncio.Runner) -> None:
    """The last test of this engine."""
    ranks = [process for process in descendants(os.getpid()) if process.name.startswith("VLLM::Worker")]
    assert len(ranks) == 2

    async def kill() -> None:
        stream = engine.generate("r", chat.tokenizer.encode("hi"), Sampling(400, seed=1), None)
        await anext(stream)
        os.kill(ranks[1].pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            with pytest.raises(EngineDead):
                async for _ in stream:
                    pass
            with pytest.raises(EngineDead):
                await engine.check_health()

    loop.run(kill())

"""Tokens a second of real vLLM with a constraint against without, beside vLLM's own guidance path, in one run.

    python benchmarks/constrained_throughput.py --tokenizer DIRECTORY [--requests 64] [--tensor-parallel-size 1]
    python benchmarks/constrained_throughput.py --tokenizer DIRECTORY --mixed 500 --schemas maskbench_sample.jsonl

DIRECTORY holds a tokenizer.json, such as Qwen's with its 151k entries; the control tokens are added. The model is a
Qwen2 of two layers and random weights, so that the constraint's share of a step is as large as it can be.

Three engines: with octupus's plugin, with vLLM's guidance, and with guidance while octupus's plugin applies the masks.
They take turns, one batch of each mode a round, so that whatever else the machine does falls on all modes alike; on a
busy machine, `--clock cpu --threads 1` counts the CPU time of the engine's process instead. Each mode is set against
the same engine without a constraint. The schema is an array that cannot end before the last token, so that all modes
generate the same number of tokens; only steps in which every request generates are counted. Where a step's time goes
is measured around the functions of vLLM's engine core and of its first worker.

With `--mixed`, instead: that many different requests for each backend (1 to 32 tools, every tool_choice, parallel on
and off), all of which must finish inside their budget with a valid turn.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Any

WIDTH = 151_936
"""Of the logits, as Qwen2.5's."""
PROMPT = 8
LONGEST = 400
"""Tokens of a mixed request's turn at most."""
CORE_PARTS = ("schedule", "forward", "masks", "sample_tokens", "update")
WORKER_PARTS = ("apply", "sampler", "worker_sample_tokens")
SCHEMA = {
    "type": "object",
    "properties": {
        "stops": {
            "type": "array",
            "minItems": 64,
            "items": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "maxLength": 24},
                    "days": {"type": "integer", "minimum": 1, "maximum": 9999},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                    "indoors": {"type": "boolean"},
                },
                "required": ["city", "days", "unit", "indoors"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["stops"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Mode:
    """One kind of batch on one engine. `constraint` is None, `json` for vLLM's own, else one of octupus's backends."""

    name: str
    engine: str
    constraint: str | None = None


@dataclass(frozen=True)
class Batch:
    """What a batch took: milliseconds of its full steps, and the mean of each part of them."""

    steps: list[float]
    parts: dict[str, float]


# --- in an engine's process ---------------------------------------------------------------------------------------


CLOCKS = {"wall": perf_counter, "cpu": process_time}


class Timers:
    """Milliseconds spent in wrapped functions since the last `take`."""

    def __init__(self, clock: str) -> None:
        self._clock = CLOCKS[clock]
        self._spent: dict[str, float] = defaultdict(float)

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Replace a function by one that adds its time to `name`."""
        inner = getattr(owner, attribute)

        def timed(*positional: Any, **named: Any) -> Any:
            started = self._clock()
            try:
                return inner(*positional, **named)
            finally:
                self._spent[name] += (self._clock() - started) * 1e3

        setattr(owner, attribute, timed)

    def take(self) -> dict[str, float]:
        """The times by name, which start at zero again."""
        spent, self._spent = dict(self._spent), defaultdict(float)
        return spent


def time_worker(worker: Any, clock: str) -> None:
    """Runs in each of vLLM's workers."""
    import vllm.v1.worker.gpu_model_runner as module

    runner = worker.worker.model_runner if hasattr(worker, "worker") else worker.model_runner
    runner.octupus_timers = Timers(clock)
    runner.octupus_timers.wrap(module, "apply_grammar_bitmask", "apply")
    runner.octupus_timers.wrap(runner, "_sample", "sampler")
    runner.octupus_timers.wrap(runner, "sample_tokens", "worker_sample_tokens")


def worker_times(worker: Any) -> dict[str, float]:
    """Runs in each of vLLM's workers."""
    runner = worker.worker.model_runner if hasattr(worker, "worker") else worker.model_runner
    times: dict[str, float] = runner.octupus_timers.take()
    return times


class Engine:
    """One vLLM whose engine core runs in this process, so that its steps can be timed."""

    def __init__(self, kind: str, model: str, requests: int, tensor_parallel_size: int, dtype: str, clock: str) -> None:
        from vllm import EngineArgs, LLMEngine

        arguments = EngineArgs(
            model=model,
            tensor_parallel_size=tensor_parallel_size,
            distributed_executor_backend="mp" if tensor_parallel_size > 1 else None,
            dtype=dtype,
            max_num_seqs=requests,
            max_num_batched_tokens=max(2048, requests * PROMPT),
            max_model_len=1024,
            structured_outputs_config={"backend": "lm-format-enforcer" if kind == "octupus" else "guidance"},
            enforce_eager=True,
            enable_prefix_caching=False,
            disable_log_stats=True,
        )
        self._engine = LLMEngine.from_engine_args(arguments)
        self._specs = Specs(model)
        core = self._engine.engine_core.engine_core
        self._executor = core.model_executor
        self._clock = CLOCKS[clock]
        self._timers = Timers(clock)
        self._scheduled = 0
        self._steps: list[tuple[int, float]] = []
        self._number = 0
        for owner, attribute, name in (
            (core.scheduler, "schedule", "schedule"),
            (self._executor, "execute_model", "forward"),
            (core.scheduler, "get_grammar_bitmask", "masks"),
            (self._executor, "sample_tokens", "sample_tokens"),
            (core.scheduler, "update_from_output", "update"),
        ):
            self._timers.wrap(owner, attribute, name)
        self._executor.collective_rpc(time_worker, args=(clock,))
        self._watch(core)

    def _watch(self, core: Any) -> None:
        """Note each step's time and how many tokens it computed."""
        schedule, step = core.scheduler.schedule, core.step_fn

        def counted(*positional: Any) -> Any:
            output = schedule(*positional)
            self._scheduled = output.total_num_scheduled_tokens
            return output

        def timed() -> Any:
            started = self._clock()
            outputs = step()
            self._steps.append((self._scheduled, (self._clock() - started) * 1e3))
            return outputs

        core.scheduler.schedule, core.step_fn = counted, timed

    def throughput(self, constraint: str | None, requests: int, tokens: int, temperature: float) -> Batch:
        """One batch of `requests` that generate `tokens` each."""
        from vllm import SamplingParams

        random = Random(self._number)
        for _ in range(requests):
            parameters = SamplingParams(
                max_tokens=tokens,
                min_tokens=0,
                ignore_eos=constraint is None,
                temperature=temperature,
                detokenize=False,
                structured_outputs=self._specs.structured(constraint),
            )
            self._add([random.randrange(1000, 50_000) for _ in range(PROMPT)], parameters)
        # Constraints compile meanwhile; a batch that starts at once has more full steps.
        outputs = self._warm_start(requests)
        generated = {number: len(output.outputs[0].token_ids) for number, output in outputs.items()}
        short = [count for count in generated.values() if count != tokens]
        if short:
            raise AssertionError(f"{constraint}: {len(short)} requests ended early, after {sorted(short)[:5]} tokens")
        full = [time for scheduled, time in self._steps if scheduled == requests]
        parts = self._full_parts
        return Batch(full, parts)

    def mixed(self, backends: Sequence[str], count: int, schemas: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`count` requests for each backend, all in one queue; what was wrong, and how much was done."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        asked: dict[str, tuple[str, Request]] = {}
        each = {backend: mixed_requests(self._specs, backend, count, schemas) for backend in backends}
        # Turn by turn, so that every batch holds turns of every backend.
        for row in zip(*each.values(), strict=True):
            for backend, request in zip(each, row, strict=True):
                parameters = SamplingParams(
                    max_tokens=request.spec.max_tokens,
                    stop_token_ids=[self._specs.chat.tokenizer.end_id],
                    detokenize=False,
                    structured_outputs=StructuredOutputsParams(structural_tag=request.spec.to_json()),
                )
                asked[self._add([1000 + self._number % 5000] * PROMPT, parameters)] = backend, request
        # One that does not compile must harm none of the others.
        broken = StructuredOutputsParams(structural_tag=json.dumps({"octupus": {"unknown": 1}}))
        self._add([1000] * PROMPT, SamplingParams(max_tokens=4, detokenize=False, structured_outputs=broken))
        result: dict[str, Any] = {backend: Counter() for backend in backends} | {"problems": [], "broken": None}
        while self._engine.has_unfinished_requests():
            for output in self._engine.step():
                if not output.finished:
                    continue
                ids, reason = output.outputs[0].token_ids, output.outputs[0].finish_reason
                if output.request_id not in asked:
                    result["broken"] = reason
                    continue
                backend, request = asked[output.request_id]
                found = problems_of(request, ids, reason, self._specs.chat)
                result["problems"] += [f"{backend}: {problem}" for problem in found]
                result[backend] += Counter(requests=1, valid=not found, tokens=len(ids))
        return result

    def _warm_start(self, requests: int) -> dict[str, Any]:
        finished: dict[str, Any] = {}
        sums: dict[str, float] = defaultdict(float)
        count = 0
        self._steps.clear()
        self._timers.take()
        self._executor.collective_rpc(worker_times)
        before_full = True
        while self._engine.has_unfinished_requests():
            outputs = self._engine.step()
            finished |= {output.request_id: output for output in outputs if output.finished}
            if before_full and self._scheduled == requests:
                # From here on all requests generate in each step; what came before is left out.
                self._timers.take()
                self._executor.collective_rpc(worker_times)
                before_full = False
            elif not before_full and self._scheduled == requests:
                count += 1
                for name, spent in self._timers.take().items():
                    sums[name] += spent
            elif not before_full:
                self._timers.take()
        for name, spent in self._executor.collective_rpc(worker_times)[0].items():
            sums[name] += spent
        self._full_parts = {name: spent / max(count, 1) for name, spent in sums.items()}
        return finished

    def _add(self, prompt: list[int], parameters: Any) -> str:
        self._number += 1
        self._engine.add_request(str(self._number), {"prompt_token_ids": prompt}, parameters)
        return str(self._number)


class Specs:
    """Octupus's specs of turns for one model."""

    def __init__(self, model: str) -> None:
        from octupus.chat.registry import model_chat
        from octupus.decoding.turn_factory import TurnFactory
        from octupus.decoding.vocabulary import TokenVocabulary

        self.chat = model_chat(model)
        self.factory = TurnFactory(
            TokenVocabulary(self.chat.tokenizer, WIDTH), self.chat.dialect.layout(self.chat.tokenizer)
        )

    def structured(self, constraint: str | None) -> Any:
        """vLLM's parameters for a mode's constraint."""
        from vllm.sampling_params import StructuredOutputsParams

        from octupus.decoding.spec import REQUIRED, TurnSpec

        if constraint is None:
            return None
        if constraint == "json":
            return StructuredOutputsParams(json=SCHEMA)
        if constraint == "content":
            spec = TurnSpec()
        else:
            value = self.admission(constraint).arguments(SCHEMA).value
            spec = TurnSpec({"plan_trip": value}, tool_choice=REQUIRED, parallel=False)
        return StructuredOutputsParams(structural_tag=spec.to_json())

    @cache  # noqa: B019 - lives as long as the process
    def admission(self, backend: str) -> Any:
        """Which schemas a backend takes."""
        from octupus.decoding.admission import SchemaAdmission

        return SchemaAdmission(self.factory, backend)


@dataclass(frozen=True)
class Request:
    """One of the mixed requests: its spec, and the tools' schemas as their authors wrote them."""

    spec: Any
    tools: dict[str, dict[str, Any]]


def mixed_requests(specs: Specs, backend: str, count: int, schemas: Sequence[dict[str, Any]]) -> list[Request]:
    """Different requests of 1 to 32 tools, with budgets from the shortest turn up."""
    from octupus.decoding.admission import RefusedSchemaError
    from octupus.decoding.spec import AUTO, REQUIRED, TurnSpec

    random = Random(count)
    admitted: list[tuple[dict[str, Any], Any]] = []
    for schema in random.sample(list(schemas), min(len(schemas), 80)):
        with suppress(RefusedSchemaError):
            admitted.append((schema, specs.admission(backend).arguments(schema).value))
    requests: list[Request] = []
    while len(requests) < count:
        chosen = random.sample(admitted, min(len(admitted), random.choice((1, 2, 4, 8, 32))))
        named = random.choice(("auto", "required", "named"))
        chosen = chosen[:1] if named == "named" else chosen
        spec = TurnSpec(
            {f"tool_{number}": value for number, (_, value) in enumerate(chosen)},
            tool_choice=AUTO if named == "auto" else REQUIRED,
            parallel=random.random() < 0.5,
        )
        shortest = specs.factory.compile(spec).shortest
        if shortest <= LONGEST:
            budget = random.randrange(shortest, min(LONGEST, shortest + 100) + 1)
            tools = {f"tool_{number}": schema for number, (schema, _) in enumerate(chosen)}
            requests.append(Request(replace(spec, max_tokens=budget), tools))
    return requests


def problems_of(request: Request, ids: Sequence[int], reason: str | None, chat: Any) -> list[str]:
    """What is wrong with a finished turn; nothing may be."""
    from octupus.chat.parse import fold
    from octupus.schema.validation import parse_arguments, violations

    spec = request.spec
    found = [] if reason == "stop" else [f"finished by {reason}"]
    found += ["over its budget"] if len(ids) > spec.max_tokens else []
    parser = chat.dialect.parser(chat.tokenizer)
    message = fold(parser.push(list(ids)) + parser.finish())
    calls = message.tool_calls or ()
    found += [f"malformed: {parser.malformed}"] if parser.malformed else []
    found += ["no call"] if spec.tool_choice == "required" and not calls else []
    found += [f"{len(calls)} calls"] if not spec.parallel and len(calls) > 1 else []
    for call in calls:
        try:
            arguments = parse_arguments(call.function.arguments)
        except ValueError as error:
            found.append(str(error))
            continue
        found += [str(violation) for violation in violations(request.tools[call.function.name], arguments)]
    return found


def serve(connection: Any, environment: dict[str, str], arguments: dict[str, Any]) -> None:
    """An engine's process: answers (method, arguments) with results until None comes."""
    os.environ |= environment
    engine = Engine(**arguments)
    connection.send("ready")
    while (asked := connection.recv()) is not None:
        method, positional = asked
        connection.send(getattr(engine, method)(*positional))


# --- in the main process ------------------------------------------------------------------------------------------


class Remote:
    """An engine in a process of its own."""

    def __init__(self, kind: str, model: Path, options: argparse.Namespace) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        size = options.tensor_parallel_size
        environment = {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_ALLOW_INSECURE_SERIALIZATION": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind" if size == 1 else "|".join(map(str, range(size))),
            "OMP_NUM_THREADS": "1" if size > 1 else str(options.threads),
            "VLLM_LOGGING_LEVEL": "ERROR",
            "VLLM_PLUGINS": "" if kind == "guidance" else "octupus",
        }
        arguments = {
            "kind": "octupus" if kind == "octupus" else "guidance",
            "model": str(model),
            "requests": options.requests,
            "tensor_parallel_size": size,
            "dtype": options.dtype,
            "clock": options.clock,
        }
        self._process = context.Process(target=serve, args=(theirs, environment, arguments))
        self._process.start()
        theirs.close()

    def ask(self, method: str, *positional: Any) -> Any:
        """Call a method of Engine there."""
        self._connection.send((method, positional))
        return self._connection.recv()

    def ready(self) -> None:
        """Wait until the engine has started."""
        self._connection.recv()

    def close(self) -> None:
        """End the process."""
        self._connection.send(None)
        self._process.join()


def write_model(source: Path, directory: Path, layers: int) -> None:
    """A model directory: the tokenizer with octupus's control tokens, and random weights."""
    import torch
    from tokenizers import AddedToken, Tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from octupus.chat.octupus import OCTUPUS

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
    end = settings["eos_token"]
    settings = {"eos_token": end, "tokenizer_class": "PreTrainedTokenizerFast"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=WIDTH,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(end),
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)


def modes(backends: Sequence[str]) -> list[Mode]:
    """What is compared; the mode without a constraint comes first for each engine."""
    return [
        Mode("octupus: none", "octupus"),
        *(Mode(f"octupus: {backend}", "octupus", backend) for backend in backends),
        Mode("octupus: content", "octupus", "content"),
        Mode("guidance: none", "guidance"),
        Mode("guidance: vLLM's own", "guidance", "json"),
        Mode("guidance, octupus applies: none", "applied"),
        Mode("guidance, octupus applies", "applied", "json"),
    ]


def compare(engines: dict[str, Remote], options: argparse.Namespace) -> dict[str, list[Batch]]:
    """Batches by mode. The first round fills caches and is dropped."""
    found: dict[str, list[Batch]] = defaultdict(list)
    for number in range(options.rounds + 1):
        for mode in modes(options.backends):
            if mode.engine not in engines:
                continue
            asked = mode.constraint, options.requests, options.tokens, options.temperature
            batch = engines[mode.engine].ask("throughput", *asked)
            print(f"# round {number}: {mode.name}: {median(batch.steps):.1f} ms", flush=True)
            if number:
                found[mode.name].append(batch)
    return found


def report(found: dict[str, list[Batch]], options: argparse.Namespace) -> None:
    """Print a table of rates and one of parts."""
    print(f"{'mode':34} {'tokens/s':>9} {'step ms':>8} {'ratio':>6}   rounds")
    base: list[float] = []
    for mode in modes(options.backends):
        if mode.name not in found:
            continue
        rounds = [median(batch.steps) for batch in found[mode.name]]
        if mode.constraint is None:
            base = rounds
        ratios = [without / with_it for without, with_it in zip(base, rounds, strict=True)]
        step = median(rounds)
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{mode.name:34} {options.requests / step * 1e3:9.0f} {step:8.1f} {median(ratios):6.3f}   {shown}")
    parts = (*CORE_PARTS, *WORKER_PARTS)
    print(f"\nmilliseconds of a step\n{'mode':34}", *(f"{part[:9]:>9}" for part in parts))
    for name, batches in found.items():
        print(f"{name:34}", *(f"{median(batch.parts.get(part, 0.0) for batch in batches):9.2f}" for part in parts))


def report_mixed(result: dict[str, Any], backends: Sequence[str]) -> None:
    """Print what became of the mixed requests. Raises AssertionError when one was not valid."""
    for backend in backends:
        counts = result[backend]
        print(f"{backend:20} {counts['requests']} requests, {counts['valid']} valid, {counts['tokens']} tokens")
    print(f"the request that does not compile finished by {result['broken']!r}")
    if result["problems"]:
        raise AssertionError("\n".join(result["problems"][:20]))


def corpus(file: Path) -> list[dict[str, Any]]:
    """Schemas of tools among MaskBench's."""
    rows = map(json.loads, file.read_text("utf-8").splitlines())
    return [row["schema"] for row in rows if row["name"].startswith(("BFCL", "Glaive"))]


def main() -> None:
    """Start the engines and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--engines", nargs="+", default=["octupus", "guidance", "applied"])
    parser.add_argument("--backends", nargs="+", default=["llguidance", "lm-format-enforcer"])
    parser.add_argument("--mixed", type=int, default=0, help="requests of each backend")
    parser.add_argument("--schemas", type=Path, help="MaskBench's schemas, for --mixed")
    options = parser.parse_args()
    if options.mixed and options.schemas is None:
        parser.error("--mixed needs --schemas")
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        write_model(options.tokenizer, Path(directory), options.layers)
        if options.mixed:
            engine = stack.enter_context(closing(Remote("octupus", Path(directory), options)))
            engine.ready()
            report_mixed(
                engine.ask("mixed", options.backends, options.mixed, corpus(options.schemas)), options.backends
            )
            return
        engines: dict[str, Remote] = {}
        for kind in options.engines:
            engines[kind] = stack.enter_context(closing(Remote(kind, Path(directory), options)))
        for engine in engines.values():
            engine.ready()
        report(compare(engines, options), options)


if __name__ == "__main__":
    main()

"""What going to the replica that holds a prompt's prefix saves, beside Serve's own power of two choices.

    python benchmarks/prefix_routing.py [--rounds 3] [--port 8520]

Two real endpoints on CPU, each with an ingress and two vLLM engines that serve one model of random weights: one routes
by prefix (`replicas.prefer_cached_prefix`), the other as Serve does by default. They take turns: in each round both
answer the same 20 conversations of 8 turns, four of them at a time, and no round repeats another's text. A conversation
begins with a system message and tools of its own, two to three thousand tokens together, as an agent's does. Needs an
idle machine: four engines start on it.

`cached` is the share of prompt tokens that engines found in their prefix caches, by `usage`. `at most` is the share
that each prompt has in common with the conversation's previous one. Times to the first token are means in milliseconds,
over turns after the first.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import openai
import ray
from ray import serve

from octupus.chat.octupus import OCTUPUS
from octupus.serve.app import build

CONVERSATIONS = 20
TURNS = 8
AT_ONCE = 4
"""Conversations that are being held at the same time; with more, two cores measure their own queue."""
ANSWER_TOKENS = 16
SYSTEM_WORDS = 200
TOOLS = 6
USER_WORDS = 12
ROUTERS = {"prefix": True, "default": False}


@dataclass
class Measured:
    """The requests of one router in one round."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    repeated_tokens: int = 0
    """Tokens of prompts that the conversation's previous prompt had."""
    first_token_ms: list[float] = field(default_factory=list)
    """Of turns after the first, whose prefix some replica holds."""

    @property
    def cached(self) -> float:
        """Share of prompt tokens found in a cache."""
        return self.cached_tokens / self.prompt_tokens

    @property
    def at_most(self) -> float:
        """Share that could be found."""
        return self.repeated_tokens / self.prompt_tokens


def write_model(directory: Path) -> Path:
    """A Qwen2 of random weights whose prefill of a long prompt takes a time that can be seen."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: n for n, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_end|>", *OCTUPUS.control_tokens]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in dict.fromkeys(special)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>").save_pretrained(directory)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=tokenizer.get_vocab_size() + 16,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)
    return directory


def words(random: Random, count: int) -> str:
    """Text that nothing else begins with."""
    return " ".join("".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=4)) for _ in range(count))


def tool(random: Random) -> dict[str, Any]:
    """A tool with a description of its own."""
    parameters = {"type": "object", "properties": {words(random, 1): {"type": "string"}}}
    name = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))
    return {
        "type": "function",
        "function": {"name": name, "description": words(random, 20), "parameters": parameters},
    }


async def converse(client: openai.AsyncOpenAI, random: Random, measured: Measured) -> None:
    """One conversation, turn after turn."""
    tools: list[Any] = [tool(random) for _ in range(TOOLS)]
    messages: list[Any] = [{"role": "system", "content": words(random, SYSTEM_WORDS)}]
    before = 0
    for turn in range(TURNS):
        messages.append({"role": "user", "content": words(random, USER_WORDS)})
        started = time.perf_counter()
        stream = await client.chat.completions.create(
            model="octupus",
            messages=messages,
            tools=tools,
            tool_choice="none",
            max_tokens=ANSWER_TOKENS,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        text, usage, first = "", None, None
        async for chunk in stream:
            usage = chunk.usage or usage
            content = chunk.choices[0].delta.content if chunk.choices else None
            if content and first is None:
                first = time.perf_counter()
            text += content or ""
        if usage is None or usage.prompt_tokens_details is None or usage.prompt_tokens_details.cached_tokens is None:
            raise SystemExit("the endpoint does not tell cached tokens; is enable_prefix_caching off?")
        measured.prompt_tokens += usage.prompt_tokens
        measured.cached_tokens += usage.prompt_tokens_details.cached_tokens
        measured.repeated_tokens += before
        before = usage.prompt_tokens
        if turn and first is not None:
            measured.first_token_ms.append(1000 * (first - started))
        messages.append({"role": "assistant", "content": text})


async def hold_conversations(base_url: str, seed: str) -> Measured:
    """All conversations of a round with one endpoint."""
    measured = Measured()
    room = asyncio.Semaphore(AT_ONCE)

    async def in_turn(number: int) -> None:
        async with room:
            await converse(client, Random(f"{seed} {number}"), measured)

    async with openai.AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0) as client:
        await asyncio.gather(*map(in_turn, range(CONVERSATIONS)))
    return measured


def measure(model: Path, rounds: int, port: int) -> dict[str, list[Measured]]:
    """Both endpoints, round by round."""
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    for router, prefer in ROUTERS.items():
        replicas = {"engines": 2, "prefer_cached_prefix": prefer}
        arguments = {"model": {"source": str(model), "id": "octupus"}, "replicas": replicas}
        serve.run(build(arguments), name=router, route_prefix=f"/{router}")
    measured: dict[str, list[Measured]] = {router: [] for router in ROUTERS}
    for number in range(rounds + 1):
        # Who is first changes, and the first round only warms up.
        for router in sorted(ROUTERS, reverse=bool(number % 2)):
            answers = asyncio.run(hold_conversations(f"http://127.0.0.1:{port}/{router}/v1", str(number)))
            if number:
                measured[router].append(answers)
                print(f"round {number} {router}: {line(answers)}", file=sys.stderr)
    return measured


def line(measured: Measured) -> str:
    """One round of a router in a line."""
    first_token = mean(measured.first_token_ms)
    return f"cached {measured.cached:.3f} (at most {measured.at_most:.3f}), first token {first_token:.1f} ms"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8520)
    arguments = parser.parse_args()
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    # More CPUs than there are: an endpoint that waits for its turn needs none.
    ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as directory:
            measured = measure(write_model(Path(directory)), arguments.rounds, arguments.port)
    finally:
        serve.shutdown()
        ray.shutdown()
    print("| round | cached, prefix | cached, default | at most | first token, prefix | default | ratio |")
    print("|---|---|---|---|---|---|---|")
    ratios = []
    for number, (prefix, default) in enumerate(zip(measured["prefix"], measured["default"], strict=True), 1):
        times = mean(prefix.first_token_ms), mean(default.first_token_ms)
        ratios.append(times[0] / times[1])
        shares = f"{prefix.cached:.3f} | {default.cached:.3f} | {prefix.at_most:.3f}"
        print(f"| {number} | {shares} | {times[0]:.1f} | {times[1]:.1f} | {ratios[-1]:.2f} |")
    print(f"mean ratio of times to the first token: {mean(ratios):.2f}")


if __name__ == "__main__":
    main()

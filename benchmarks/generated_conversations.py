"""Generated conversations: whether each executes again to the same final state, and what the data line makes of them.

    python benchmarks/generated_conversations.py [--count 1000] [--seed 0] [--multi-turn] [--output DIRECTORY]

Everything is checked from the written file alone: its calls are made again in fresh sandboxes and every result is
compared with the conversation's, then the rows go through the data line's reader, checks, repairs, grounding and
tokenising, where anything that is dropped, repaired or flagged counts as a fault. Near duplicates are those of the
data line's default threshold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from octupus.agent.generate.changes import state_sha256
from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.library import Library
from octupus.agent.generate.run import CONVERSATIONS, generate
from octupus.agent.tools.config import LimitsConfig
from octupus.conversation import Conversation
from octupus.data.dedup import near_duplicates
from octupus.data.examine import Kept, Rules, examine_rows
from octupus.data.minhash import MinHasher, conversation_text, text_similarity
from octupus.data.quality import QualityConfig
from octupus.data.sources.openai_messages import convert
from octupus.data.sources.reader import RawRow
from tests.conftest import write_tokenizer

THRESHOLD = 0.8


async def executed_again(rows: list[dict[str, Any]]) -> Counter[str]:
    """How many calls there are, and how many results or final states came out otherwise."""
    counts: Counter[str] = Counter(calls=0, other_result=0, other_state=0)
    async with await Library.open(("all",), LimitsConfig()) as library:
        for row in rows:
            meta = row["meta"]
            environment = await library.environment(meta["modules"], meta["seed"])
            results = {
                message["tool_call_id"]: message["content"] for message in row["messages"] if message["role"] == "tool"
            }
            for message in row["messages"]:
                for call in message.get("tool_calls", ()):
                    result = await environment.call(call["function"]["name"], call["function"]["arguments"])
                    counts["calls"] += 1
                    counts["other_result"] += result.text != results[call["id"]]
            counts["other_state"] += state_sha256(environment.state()) != meta["final_state_sha256"]
    return counts


def through_the_data_line(lines: list[str], model: Path) -> tuple[list[Conversation], Counter[str], list[int]]:
    """What is kept, the faults by name, and the tokens of each."""
    strict = QualityConfig(ungrounded="flag", personal_data="flag", refusals="flag")
    rules = Rules(str(model), 1_000_000, False, strict, None)
    raw = [RawRow(number, json.loads(line), line) for number, line in enumerate(lines)]
    kept: list[Conversation] = []
    faults: Counter[str] = Counter()
    tokens: list[int] = []
    for outcome, row in zip(examine_rows(raw, convert, rules), raw, strict=True):
        if not isinstance(outcome, Kept):
            faults[f"dropped: {outcome.reason}"] += 1
            continue
        faults.update(f"flagged: {flag}" for flag in outcome.conversation.flags)
        original = convert(row.value)
        if (outcome.conversation.messages, outcome.conversation.tools) != (original.messages, original.tools):
            faults["repaired"] += 1
        kept.append(outcome.conversation)
        tokens.append(len(outcome.rendered.ids))
    return kept, faults, tokens


def near_duplicates_among(conversations: list[Conversation]) -> int:
    """Conversations that the data line would drop as near duplicates of an earlier one."""
    texts = [conversation_text(conversation) for conversation in conversations]
    hasher = MinHasher()
    first = near_duplicates(hasher.bands(hasher.signatures(texts)), text_similarity(texts.__getitem__), THRESHOLD)
    return int(np.count_nonzero(first != np.arange(len(texts))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--multi-turn", action="store_true", help="conversations of several turns alone")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = arguments.output or Path(scratch) / "generated"
        started = time.perf_counter()
        shapes: dict[str, Any] = {"shapes": {"multi_turn": 1}} if arguments.multi_turn else {}
        config = GenerateConfig(output=output, count=arguments.count, seed=arguments.seed, **shapes)
        summary = json.loads(generate(config).read_text())
        generated_s = time.perf_counter() - started
        lines = (output / CONVERSATIONS).read_text(encoding="utf-8").splitlines()
        started = time.perf_counter()
        again = asyncio.run(executed_again([json.loads(line) for line in lines]))
        again_s = time.perf_counter() - started
        kept, faults, tokens = through_the_data_line(lines, write_tokenizer(Path(scratch) / "model"))
    table = {
        "conversations": len(lines),
        "blueprints tried": summary["blueprints"]["tried"],
        "blueprints dropped": summary["blueprints"]["dropped"],
        "seconds to generate (each executed twice)": round(generated_s, 1),
        "tool calls executed again from the file": again["calls"],
        "  other results": again["other_result"],
        "  other final states": again["other_state"],
        "  seconds": round(again_s, 1),
        "through the data line as they are": len(kept) - sum(faults.values()),
        "  faults": dict(faults),
        "near duplicates": near_duplicates_among(kept),
        "tasks for solvers": summary["tasks"],
        "kinds of the record": summary["by_kinds"],
        "shapes": summary["by_shapes"],
        "languages": summary["by_languages"],
        "scenarios used": len([name for name in summary["by_scenarios"] if not name.startswith("without:")]),
        "tools offered, median": int(np.median([len(conversation.tools) for conversation in kept])),
        "tokens of a small tokenizer, median and most": (int(np.median(tokens)), max(tokens)),
    }
    for name, value in table.items():
        print(f"{name:<45} {value}")
    wrong = again["other_result"] + again["other_state"] + sum(faults.values())
    return 0 if not wrong and len(lines) == arguments.count else 1


if __name__ == "__main__":
    sys.exit(main())

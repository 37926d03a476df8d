"""octupus's endpoint beside bare vLLM and ray.serve.llm, streamed, in one run.

    python benchmarks/serving_throughput.py [--rounds 2] [--concurrency 1 8 32] [--contenders vllm octupus-haproxy]

The contenders take turns, each alone on the machine, in as many rounds as asked, and what is told is the median of the
rounds; the client is a process of its own and keeps `concurrency` streams open, each new as soon as its last one ended.

What makes it fair: one model, one prompt (octupus's own template, which vLLM gets as the tokenizer's), the same engine
limits, threads and type, temperature 1, and answers of exactly 64 tokens: the model's weights are such that it writes
letters and never ends (`serving_model.py`), so no server needs a switch that others do not have, and one letter is one
token and one piece of text everywhere. With tools, the others parse what the model writes freely, since that is what
`tool_choice: auto` does there; octupus constrains every token. Its first token is the control token that opens the
text, which carries no text: its answers have 63 pieces for 64 tokens, and its time to the first piece is that of the
second token. Prefix caching is on everywhere, as all of them have it by default.

Told: requests a second; time to the first piece (TTFT); time per output token (TPOT: first to last piece, over the
tokens between); gaps between pieces that arrive one after another, which grow where tokens are sent together; and the
ratio of requests a second to bare vLLM's.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from serving_contenders import CONTENDERS, MODEL_ID, running_contender
from serving_model import write_endless_model

TOKENS = 64
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "maxLength": 20},
                    "days": {"type": "integer", "minimum": 1, "maximum": 9},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["city"],
            },
        },
    }
]
COLUMNS = ("requests_s", "ttft_p50", "ttft_p99", "tpot_p50", "tpot_p99", "gap_p99", "longest_gap")


def main() -> None:
    """Measure and tell."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server that is up is ended
    results: dict[tuple[str, bool, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        model = write_endless_model(Path(scratch) / "model")
        for round_number in range(options.rounds):
            # Every other round in the opposite order: what grows or shrinks over time falls on all.
            for name in options.contenders[:: 1 if round_number % 2 == 0 else -1]:
                with running_contender(name, model, options.port, options.logs or Path(scratch)):
                    for tools in (False, True):
                        for concurrency in options.concurrency:
                            outcome = _measure(options, tools, concurrency)
                            results.setdefault((name, tools, concurrency), []).append(outcome)
                            print(round_number, name, tools, concurrency, _brief(outcome), file=sys.stderr, flush=True)
    rows = _rows(results)
    print(_table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--requests", type=int, default=4, help="answers a client (at least 24 in all)")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--port", type=int, default=8490, help="this and the next three are used")
    parser.add_argument("--logs", type=Path, help="directory for the servers' logs")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser.parse_args()


def _measure(options: argparse.Namespace, tools: bool, concurrency: int) -> dict[str, float]:
    body: dict[str, Any] = {
        "model": MODEL_ID,
        "max_tokens": TOKENS,
        "temperature": 1.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if tools:
        body |= {"tools": TOOLS, "tool_choice": "auto"}
    job = {
        "url": f"http://127.0.0.1:{options.port}/v1/chat/completions",
        "body": body,
        "concurrency": concurrency,
        "requests": max(24, options.requests * concurrency),
    }
    client = Path(__file__).with_name("serving_client.py")
    answer = subprocess.run([sys.executable, client], input=json.dumps(job), capture_output=True, text=True)
    if answer.returncode != 0:
        raise SystemExit(f"the client failed: {answer.stderr[-2000:]}")
    return _outcome(json.loads(answer.stdout))


def _outcome(measured: dict[str, Any]) -> dict[str, float]:
    """Numbers of one measurement; times in milliseconds. Answers of another length would compare unlike work."""
    records = measured["records"]
    lengths = {(record["tokens"], record["finish_reason"]) for record in records}
    if lengths != {(TOKENS, "length")}:
        raise SystemExit(f"answers are not all cut at {TOKENS} tokens: {sorted(map(str, lengths))}")
    first = [record["times"][0] for record in records]
    per_token = [(record["times"][-1] - record["times"][0]) / (TOKENS - 1) for record in records]
    gaps = [later - earlier for record in records for earlier, later in pairwise(record["times"])]
    return {
        "requests_s": len(records) / measured["elapsed"],
        "ttft_p50": 1e3 * median(first),
        "ttft_p99": 1e3 * _p99(first),
        "tpot_p50": 1e3 * median(per_token),
        "tpot_p99": 1e3 * _p99(per_token),
        "gap_p99": 1e3 * _p99(gaps),
        "longest_gap": 1e3 * max(gaps),
        "pieces": sum(len(record["times"]) for record in records) / len(records),
    }


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


def _rows(results: dict[tuple[str, bool, int], list[dict[str, float]]]) -> list[dict[str, Any]]:
    rows = []
    for (name, tools, concurrency), outcomes in sorted(results.items(), key=lambda item: item[0][1:]):
        row: dict[str, Any] = {"contender": name, "tools": tools, "concurrency": concurrency}
        row |= {key: median(outcome[key] for outcome in outcomes) for key in outcomes[0]}
        bare = results.get(("vllm", tools, concurrency))
        row["ratio"] = row["requests_s"] / median(each["requests_s"] for each in bare) if bare else None
        row["rounds"] = outcomes
        rows.append(row)
    return rows


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| contender | tools | streams | {' | '.join(COLUMNS)} | of bare vLLM |",
        "|---" * (len(COLUMNS) + 4) + "|",
    ]
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        numbers = " | ".join(f"{row[column]:.1f}" for column in COLUMNS)
        tools = "yes" if row["tools"] else "no"
        lines.append(f"| {row['contender']} | {tools} | {row['concurrency']} | {numbers} | {ratio} |")
    return "\n".join(lines)


def _brief(outcome: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.1f}" for name, value in outcome.items())


if __name__ == "__main__":
    main()

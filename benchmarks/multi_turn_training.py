"""Stage 2 of the quickstart's model with and without generated conversations, and the calls that come of it.

    make quickstart
    python benchmarks/multi_turn_training.py [--quickstart runs/quickstart] [--conversations 1000] [--steps 400]

Both stages begin with the weights of the quickstart's stage 1 and take as many steps over packs of 2,048 tokens; one is
trained on the quickstart's own corpora, the other with half of its tokens from conversations that generate_tasks made
of three modules of the shipped tools. Both models are served, and asked every turn of 150 further conversations whose
first states, and with them the values in calls, no training saw; their sentences come from the same templates. Told is
call-level accuracy by BFCL's rules (`octupus evaluate calls`), for all turns and for multi-turn conversations alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.run import generate
from octupus.config import read_yaml, resolve
from octupus.data.config import PrepareConfig
from octupus.data.pipeline import prepare
from octupus.evaluate.calls.config import EvaluateCallsConfig
from octupus.evaluate.calls.run import evaluate_calls
from octupus.ray_session import ray_session
from octupus.telemetry import configure_logging
from octupus.train.config import StageConfig

JOBS = Path(__file__).parents[1] / "jobs" / "quickstart"
MODULES = ("alarms", "notes", "parking")
HELD_OUT_SEED = 1_000_000
TOKEN_BUDGET = 2048
NAMES = ("without", "with")


def main() -> None:
    """Generate, prepare, train, serve, ask, tell."""
    options = _options()
    configure_logging()
    output = options.output.absolute()
    for name, seed, count in (("train", 0, options.conversations), ("held_out", HELD_OUT_SEED, 150)):
        config = GenerateConfig(
            output=output / name, seed=seed, count=count, modules=MODULES, distractors=1, tools_most=6, states=count
        )
        if not (config.output / "conversations.jsonl").exists():
            generate(config)
    rows = {}
    with ray_session():
        for name in NAMES:
            export = _train(name, options, output)
            rows[name] = _ask(name, export, output, options.port)
    print(table(rows))


def _train(name: str, options: argparse.Namespace, output: Path) -> Path:
    from octupus.train.launch import train

    quickstart = options.quickstart.absolute()
    values = _moved(read_yaml(JOBS / "prepare_stg2.yaml"), quickstart)
    values |= {"output": str(output / f"data_{name}"), "token_budget": TOKEN_BUDGET}
    if name == "with":
        path = str(output / "train" / "conversations.jsonl")
        values["sources"].append({"name": "generated", "path": path, "format": "openai_messages"})
        values["mixture"].append({"source": "generated", "ratio": options.ratio})
    data = resolve(PrepareConfig, values, "prepare_stg2.yaml")
    if not data.output.exists():
        prepare(data)
    values = _moved(read_yaml(JOBS / "train_stg2.yaml"), quickstart)
    values |= {"run": {"name": name, "storage": str(output)}, "export": str(output / name / "export")}
    values["data"] = {"directory": str(data.output), "packs_per_step": 2, "steps": options.steps}
    stage = resolve(StageConfig, values, "train_stg2.yaml")
    assert stage.export is not None
    if not stage.export.exists():
        train(stage)
    return stage.export


def _ask(name: str, export: Path, output: Path, port: int) -> dict[str, Any]:
    from octupus.serve.local_endpoint import endpoint

    with endpoint(export, name, port) as base_url:
        started = time.monotonic()
        config = resolve(
            EvaluateCallsConfig,
            {
                "data": [{"name": "generated", "path": str(output / "held_out" / "conversations.jsonl")}],
                "positions": "all",
                "endpoint": {"base_url": base_url, "model": name, "max_tokens": 256, "concurrency": 16},
                "output": str(output / f"calls_{name}"),
            },
            "the benchmark",
        )
        print(asyncio.run(evaluate_calls(config)), file=sys.stderr)
    results: dict[str, Any] = json.loads((config.output / "calls.json").read_text())
    return results | {"seconds": time.monotonic() - started}


def table(rows: dict[str, dict[str, Any]]) -> str:
    """What was measured, in Markdown."""
    lines = [
        "| stage 2 | turns | calls right | multi-turn turns | calls right | right tools | no call where none belongs |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, results in rows.items():
        every, multi = results["overall"], results["by_kind"]["multi_turn"]
        cells = [every["requests"], _share(every["ast"]), multi["requests"], _share(multi["ast"])]
        cells += [_share(multi["right_tools"]), _share(every["irrelevance"])]
        lines.append(f"| {name} generated conversations | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _share(share: dict[str, Any]) -> str:
    if share.get("share") is None:
        return "-"
    low, high = share["interval_95"]
    return f"{share['share']:.1%} ({low:.1%} to {high:.1%})"


def _moved(values: Any, root: Path) -> Any:
    """The quickstart's files say /tmp/octupus/quickstart; its directory is another one."""
    return json.loads(json.dumps(values).replace("/tmp/octupus/quickstart", str(root)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quickstart", type=Path, default=Path("runs/quickstart"))
    parser.add_argument("--output", type=Path, default=Path("runs/multi_turn_training"))
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--ratio", type=float, default=1.0, help="how often each generated conversation is taken")
    parser.add_argument("--port", type=int, default=8560)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The `octupus` command.

octupus quickstart        train, serve and ask a small model on this machine
octupus check             validate every configuration file of the project
octupus check-tools FILE  say which tools' schemas can be enforced
octupus explain FILE      send a request, and show what the constraint did to the answer
octupus chat              talk to an endpoint, with tools that run here
octupus evaluate          score an endpoint with BFCL or with held-out calls, or compare two runs
octupus front             print the environment that puts HAProxy in front of Ray Serve
octupus plan FILE         say what a training stage needs, and whether it fits a GPU
octupus render            write KubeRay's or SkyPilot's file for a job or an endpoint
octupus doctor            find what must be mended on this machine, or on the nodes of a cluster
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from octupus.errors import OctupusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand. Errors that a person can act on are printed as one line; exit code 2."""
    parser = _parser()
    parsed, rest = parser.parse_known_args(arguments)
    if rest and parsed.run not in (_plan, _evaluate, _render):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    parsed.rest = rest
    try:
        return int(parsed.run(parsed))
    except OctupusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="octupus", description="Train and serve tool-calling language models on Ray.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    quickstart = commands.add_parser("quickstart", help="train, serve and ask a small model on this machine")
    quickstart.add_argument(
        "--directory", type=Path, default=Path("runs/quickstart"), help="where everything is written (%(default)s)"
    )
    quickstart.add_argument(
        "--corpus",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="real files to train on instead of the synthetic corpora: .json, .jsonl or .parquet",
    )
    quickstart.add_argument(
        "--format",
        default="auto",
        help="form of the corpus files' rows, such as sharegpt or toolace (%(default)s looks at each)",
    )
    quickstart.add_argument(
        "--on-broken-line",
        "--on_broken_line",
        default="stop",
        choices=["stop", "drop"],
        help="what a line that is no JSON does",
    )
    quickstart.add_argument("--requests", type=int, default=100, help="held-out requests to ask (%(default)s)")
    quickstart.add_argument("--port", type=int, default=8000, help="port of the endpoint (%(default)s)")
    quickstart.add_argument("--keep-serving", action="store_true", help="leave the endpoint up until Ctrl-C")
    quickstart.set_defaults(run=_quickstart)

    check = commands.add_parser("check", help="validate configuration files")
    check.add_argument("paths", type=Path, nargs="*", help="files or directories (jobs, serve_configs and clusters)")
    check.set_defaults(run=_check)

    check_tools = commands.add_parser("check-tools", help="say which tools' schemas can be enforced")
    check_tools.add_argument("file", type=Path, help="JSON: a list of tools, as in a request")
    check_tools.add_argument(
        "--backend", default="auto", help="auto, llguidance, lm-format-enforcer or xgrammar (%(default)s)"
    )
    check_tools.add_argument(
        "--on-unenforceable",
        "--on_unenforceable",
        choices=["refuse", "check"],
        default="refuse",
        help="what a keyword does that no backend enforces (%(default)s)",
    )
    check_tools.add_argument("--keywords", action="store_true", help="list every keyword, under every backend")
    check_tools.set_defaults(run=_check_tools)

    explain = commands.add_parser(
        "explain",
        help="send a request, and show what the constraint did to the answer",
        description="Every token of the answer with its phase, whether it was forced, and the probability that the "
        "mask removed. An API key is read from the environment, OPENAI_API_KEY.",
    )
    explain.add_argument(
        "file", type=Path, metavar="REQUEST", help="JSON: the body of a Chat Completions request, with its tools"
    )
    explain.add_argument("--url", default="http://127.0.0.1:8000/v1", help="where octupus is served (%(default)s)")
    explain.add_argument("--json", action="store_true", help="print the explanation as JSON")
    explain.set_defaults(run=_explain)

    chat = commands.add_parser(
        "chat",
        help="talk to an endpoint, with tools that run here",
        description="Answers stream as they are generated, calls as name(arguments). Each public function of "
        "--python-tools, with type hints and a docstring, is a tool that runs here once you allow it; results of "
        "--tools are typed in. /help lists the commands. An API key is read from the environment, OPENAI_API_KEY.",
    )
    chat.add_argument("--url", default="http://127.0.0.1:8000/v1", help="where octupus is served (%(default)s)")
    chat.add_argument("--model", help="name of a served model; the first one where none is named")
    chat.add_argument("--tools", type=Path, metavar="FILE", help="JSON: a list of tools, as in a request")
    chat.add_argument(
        "--python-tools", "--python_tools", type=Path, metavar="FILE", help="Python file whose functions are tools"
    )
    chat.add_argument("--system", metavar="TEXT", help="the system message")
    chat.add_argument("--temperature", type=float, help="as in a request")
    chat.add_argument("--max-tokens", "--max_tokens", type=int, metavar="N", help="longest answer in tokens")
    chat.add_argument("--seed", type=int, help="makes answers repeatable")
    chat.add_argument("--once", metavar="PROMPT", help="ask this alone, and end")
    chat.add_argument("--yes", action="store_true", help="run tools without asking")
    chat.add_argument(
        "--max-rounds", "--max_rounds", type=int, default=8, metavar="N", help="most requests a prompt (%(default)s)"
    )
    chat.set_defaults(run=_chat)

    evaluate = commands.add_parser(
        "evaluate",
        help="score an endpoint with BFCL or with held-out calls, or compare two runs",
        description="`octupus evaluate bfcl` runs the unmodified BFCL harness: what stands behind it is read as "
        "jobs/evaluate_bfcl.py reads it, FILE.yaml and dotted flags such as --output runs/mine "
        "--endpoint.base_url http://127.0.0.1:8000/v1; `octupus evaluate calls` is jobs/evaluate_calls.py in the same "
        "way. `octupus evaluate compare A B` lists what run B gained "
        "and lost against run A, with a significance test.",
        allow_abbrev=False,
    )
    evaluate.add_argument("what", choices=["bfcl", "calls", "compare"])
    evaluate.set_defaults(run=_evaluate)

    front = commands.add_parser(
        "front",
        help="print the environment that puts HAProxy in front of Ray Serve",
        description='For the shell that starts Ray: eval "$(octupus front)"; ray start --head. HAProxy then takes the '
        "requests, which is several times as fast as Serve's own proxy; its statistics and metrics stay on loopback.",
    )
    front.add_argument("--host", default="127.0.0.1", help="where the endpoint listens (%(default)s)")
    front.add_argument(
        "--metrics-host", "--metrics_host", default="127.0.0.1", help="where its metrics listen (%(default)s)"
    )
    front.add_argument("--metrics-port", "--metrics_port", type=int, default=9101, help="(%(default)s)")
    front.add_argument("--stats-port", "--stats_port", type=int, default=8404, help="(%(default)s)")
    front.set_defaults(run=_front)

    plan = commands.add_parser(
        "plan",
        help="say what a training stage needs, and whether it fits a GPU",
        description="Memory of a worker by part, steps, tokens and hours of a stage, before a GPU is rented. Exit code "
        "2, with what would make it fit, when it does not fit the GPU. Without --gpu the table alone is printed.",
        epilog="What is not listed here is a dotted flag of the stage's configuration, such as --engine.zero_stage 3, "
        "and stands behind FILE.",
        allow_abbrev=False,
    )
    plan.add_argument(
        "file", type=Path, metavar="FILE", help="configuration of the stage, such as jobs/train_stg2.yaml"
    )
    plan.add_argument("--gpu", help="GPU to compare with, such as h100-80gb; an unknown name lists the known ones")
    plan.add_argument("--gpus", type=int, metavar="N", help="number of GPUs (scaling.workers)")
    plan.add_argument(
        "--model-config", type=Path, metavar="PATH", help="config.json, or a directory with it, in place of model"
    )
    plan.add_argument("--packs", type=int, metavar="N", help="number of packs, where the data is not prepared yet")
    plan.add_argument("--token-budget", type=int, metavar="T", help="tokens of such a pack")
    plan.add_argument(
        "--mfu", type=float, default=0.40, help="share of the GPU's peak that is assumed to be reached (%(default)s)"
    )
    plan.set_defaults(run=_plan)

    render = commands.add_parser(
        "render",
        help="write KubeRay's or SkyPilot's file for a job or an endpoint",
        description="From the job's or the endpoint's own configuration and the description of the cluster, so that "
        "nothing is said twice. Dotted flags behind FILE are of the cluster, as --workers.max 4, or, as --job.NAME, of "
        "the job.",
        allow_abbrev=False,
    )
    render.add_argument("target", choices=["kuberay", "sky"])
    render.add_argument("file", type=Path, metavar="FILE", help="jobs/*.yaml or serve_configs/*.yaml")
    render.add_argument(
        "--cluster", type=Path, default=Path("clusters/cluster.yaml"), metavar="FILE", help="default: %(default)s"
    )
    render.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    render.set_defaults(run=_render)

    doctor = commands.add_parser(
        "doctor",
        help="find what must be mended on this machine, or on the nodes of a cluster",
        description="Versions, disks, memory, GPUs and CUDA, compilers, ports, and what `ray job submit --working-dir "
        ".` would upload; on a cluster also whether its nodes are equal, share storage and agree on the time. Each "
        "finding has its remedy. Exit code 0 when nothing must be mended, warnings or not; 1 when something must.",
    )
    doctor.add_argument(
        "files",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="configurations of jobs or deployments, whose storage, inputs, credentials and port are looked for",
    )
    doctor.add_argument("--port", type=int, help="port that serving will need (that of a FILE, or 8000)")
    doctor.add_argument(
        "--storage",
        action="append",
        default=[],
        metavar="PATH_OR_URL",
        help="storage to write to and read from, on every node with --cluster; may be repeated",
    )
    doctor.add_argument(
        "--cluster",
        action="store_true",
        help="look at every node of the running Ray cluster; implied where RAY_ADDRESS is set",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(run=_doctor)
    return parser


# Each subcommand imports what it needs when it runs, so that --help answers at once.


def _quickstart(parsed: argparse.Namespace) -> int:
    from octupus.quickstart.line import Options, quickstart

    options = Options(
        directory=parsed.directory,
        corpora=tuple(parsed.corpus),
        corpus_format=parsed.format,
        on_broken_line=parsed.on_broken_line,
        requests=parsed.requests,
        port=parsed.port,
        keep_serving=parsed.keep_serving,
    )
    return quickstart(options)


def _check(parsed: argparse.Namespace) -> int:
    from octupus.check_files import check_files

    return check_files(parsed.paths or [Path("jobs"), Path("serve_configs"), Path("clusters")])


def _check_tools(parsed: argparse.Namespace) -> int:
    from octupus.check_tools import CheckOptions, check_tools

    return check_tools(CheckOptions(parsed.file, parsed.backend, parsed.on_unenforceable, parsed.keywords))


def _explain(parsed: argparse.Namespace) -> int:
    from octupus.explain import ExplainOptions, explain

    return explain(ExplainOptions(parsed.file, parsed.url, parsed.json))


def _chat(parsed: argparse.Namespace) -> int:
    from octupus.talk.command import ChatOptions, chat

    options = ChatOptions(
        url=parsed.url,
        model=parsed.model,
        tools=parsed.tools,
        python_tools=parsed.python_tools,
        system=parsed.system,
        temperature=parsed.temperature,
        max_tokens=parsed.max_tokens,
        seed=parsed.seed,
        once=parsed.once,
        yes=parsed.yes,
        max_rounds=parsed.max_rounds,
    )
    return chat(options)


def _evaluate(parsed: argparse.Namespace) -> int:
    from octupus.evaluate_model import bfcl_command, calls_command, compare_command

    commands = {"bfcl": bfcl_command, "calls": calls_command, "compare": compare_command}
    return commands[parsed.what](parsed.rest)


def _front(parsed: argparse.Namespace) -> int:
    from octupus.serve.front.environment import front_environment, shell_exports

    environment = front_environment(
        parsed.host,
        metrics_host=parsed.metrics_host,
        metrics_port=parsed.metrics_port,
        stats_port=parsed.stats_port,
    )
    print(shell_exports(environment))
    return 0


def _plan(parsed: argparse.Namespace) -> int:
    from octupus.plan_stage import PlanOptions, plan

    options = PlanOptions(
        file=parsed.file,
        overrides=tuple(parsed.rest),
        gpu=parsed.gpu,
        gpus=parsed.gpus,
        model_config=parsed.model_config,
        packs=parsed.packs,
        token_budget=parsed.token_budget,
        mfu=parsed.mfu,
    )
    return plan(options)


def _render(parsed: argparse.Namespace) -> int:
    from octupus.clusters.render import render_command

    return render_command(parsed)


def _doctor(parsed: argparse.Namespace) -> int:
    from octupus.doctor import doctor

    return doctor(parsed.port, files=parsed.files, storages=parsed.storage, cluster=parsed.cluster, as_json=parsed.json)


if __name__ == "__main__":
    sys.exit(main())

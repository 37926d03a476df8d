"""The `octupus` command.

octupus quickstart        train, serve and ask a small model on this machine
octupus check             validate every configuration file of the project
octupus check-tools FILE  say which tools' schemas can be enforced
octupus doctor            compare this machine with what octupus is tested with
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from octupus.errors import OctupusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand. Errors that a person can act on are printed as one line; exit code 2."""
    parsed = _parser().parse_args(arguments)
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
    check.add_argument("paths", type=Path, nargs="*", help="files or directories (jobs and serve_configs)")
    check.set_defaults(run=_check)

    check_tools = commands.add_parser("check-tools", help="say which tools' schemas can be enforced")
    check_tools.add_argument("file", type=Path, help="JSON: a list of tools, as in a request")
    check_tools.add_argument("--backend", default="llguidance", help="llguidance or lm-format-enforcer")
    check_tools.set_defaults(run=_check_tools)

    doctor = commands.add_parser("doctor", help="compare this machine with what octupus is tested with")
    doctor.add_argument("--port", type=int, default=8000, help="port that serving will need (%(default)s)")
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

    return check_files(parsed.paths or [Path("jobs"), Path("serve_configs")])


def _check_tools(parsed: argparse.Namespace) -> int:
    from octupus.check_tools import check_tools

    return check_tools(parsed.file, parsed.backend)


def _doctor(parsed: argparse.Namespace) -> int:
    from octupus.doctor import doctor

    return doctor(parsed.port)


if __name__ == "__main__":
    sys.exit(main())

"""Serves the oracle: `python -m tests.bfcl_oracle --data DIR --port P [--fail KIND --on ids|share]`, until stopped."""

import argparse
import os
import signal
import sys
import threading

from tests.bfcl_oracle.failures import Failure, Kind, Selection
from tests.bfcl_oracle.items import CATEGORIES
from tests.bfcl_oracle.server import oracle


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m tests.bfcl_oracle", description=sys.modules["tests.bfcl_oracle"].__doc__
    )
    described.add_argument("--data", required=True, help="the data directory of an installed bfcl-eval")
    described.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 takes a free one (default)")
    described.add_argument("--categories", default=",".join(CATEGORIES), help="the categories to answer, by commas")
    described.add_argument("--model", action="append", help="a name that GET /v1/models lists; any name is answered")
    described.add_argument("--one-by-one", action="store_true", help="one call an answer in multi-turn items")
    described.add_argument(
        "--fail",
        action="append",
        default=[],
        type=Kind,
        choices=list(Kind),
        metavar="KIND",
        help="a failure: " + ", ".join(Kind),
    )
    described.add_argument(
        "--on",
        action="append",
        default=[],
        type=Selection.parse,
        help="what the --fail before it falls on: all (default), first:N, a share such as 0.1, or ids and categories",
    )
    described.add_argument(
        "--key-variable", help="the environment variable that holds the API key to ask for (401 without)"
    )
    return described


def main() -> None:
    command_line = parser()
    arguments = command_line.parse_args()
    if len(arguments.on) > len(arguments.fail):
        command_line.error("--on without a --fail before it")
    selections = arguments.on + [Selection()] * (len(arguments.fail) - len(arguments.on))
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    with oracle(
        arguments.data,
        [Failure(kind, on) for kind, on in zip(arguments.fail, selections, strict=True)],
        categories=arguments.categories.split(","),
        port=arguments.port,
        api_key=os.environ[arguments.key_variable] if arguments.key_variable else None,
        models=arguments.model or ["oracle"],
        one_by_one=arguments.one_by_one,
    ) as base_url:
        print(base_url, flush=True)
        interrupted.wait()


if __name__ == "__main__":
    main()

"""A BFCL run at several numbers of threads: wall time and requests a second, of one endpoint.

    python benchmarks/bfcl_threads.py --base-url http://127.0.0.1:8000/v1 [--threads 8 32 128]

`python -m tests.bfcl_oracle --data DIRECTORY --port 8461` is an endpoint that answers at once: with it the numbers are
those of the harness.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from octupus.evaluate.bfcl.config import EndpointConfig, EvaluateBfclConfig
from octupus.evaluate.bfcl.run import evaluate_bfcl


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--threads", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--categories", nargs="+", default=["live_simple"])
    options = parser.parse_args()
    table = Table("threads", "items", "requests", "seconds of asking", "requests/s", "output tokens/s")
    for threads in options.threads:
        with tempfile.TemporaryDirectory() as directory:
            config = EvaluateBfclConfig(
                output=Path(directory) / "run",
                endpoint=EndpointConfig(base_url=options.base_url),
                categories=tuple(options.categories),
                threads=threads,
            )
            run = evaluate_bfcl(config)
        rates = (run.requests / run.seconds, run.output_tokens / run.seconds)
        numbers = [threads, len(run.right), run.requests, f"{run.seconds:.1f}", *(f"{rate:.1f}" for rate in rates)]
        table.add_row(*map(str, numbers))
    Console().print(table)


if __name__ == "__main__":
    main()

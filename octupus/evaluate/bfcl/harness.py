"""Runs `bfcl-eval`'s own commands in its own environment, with one more model name: the endpoint that is measured.

A script for the environment that `environment.py` makes; it imports nothing of octupus. The job comes as a line of JSON
on standard input, so that nothing of it stands on a command line; when standard input ends, so does this process.
Nothing of bfcl-eval is changed: its handler for OpenAI's API is used as it is, but for its client's time-out and
retries.
"""

import json
import os
import sys
import threading
from dataclasses import replace
from typing import Any

REGISTRY_NAME = "octupus-FC"
"""bfcl-eval maps `_` to `/` in names, so it has none."""
# Two of bfcl-eval's own entries, each with the handler of one of OpenAI's APIs.
TEMPLATES = {"chat": "openbmb/MiniCPM-SALA-FC", "responses": "gpt-4o-2024-11-20-FC"}


def register(job: dict[str, Any]) -> None:
    """Give the harness the model's name."""
    from bfcl_eval.constants.model_config import MODEL_CONFIG_MAPPING

    template = MODEL_CONFIG_MAPPING[TEMPLATES[job["api"]]]

    class Handler(template.model_handler):  # type: ignore[misc, name-defined]
        def _build_client_kwargs(self) -> dict[str, Any]:
            arguments: dict[str, Any] = super()._build_client_kwargs()
            return arguments | {"timeout": job["timeout_s"], "max_retries": job["retries"]}

    MODEL_CONFIG_MAPPING[REGISTRY_NAME] = replace(
        template, model_name=job["model"], display_name=job["model"], url="", org="", license="", model_handler=Handler
    )


def write_ids(ids: dict[str, list[str]]) -> None:
    """The file that `--run-ids` reads; a memory item comes with the conversations that fill its memory."""
    from bfcl_eval.constants.eval_config import TEST_IDS_TO_GENERATE_PATH
    from bfcl_eval.utils import load_dataset_entry

    wanted = {}
    for category, chosen in ids.items():
        entries = {entry["id"]: entry for entry in load_dataset_entry(category)}
        unknown = [item_id for item_id in chosen if item_id not in entries]
        if unknown:
            sys.exit(f"unknown ids: {', '.join(unknown)}")
        needed = [before for item_id in chosen for before in entries[item_id].get("depends_on", ())]
        wanted[category] = [*dict.fromkeys(needed), *chosen]
    TEST_IDS_TO_GENERATE_PATH.write_text(json.dumps(wanted))


def end_with_standard_input() -> None:
    """End at once when the process that started this one is gone, however it ended."""
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be held when the interpreter ends
        pass
    os._exit(1)


def main() -> None:
    """Do the job: `generate` answers, or `evaluate` them."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    register(job)
    from bfcl_eval.__main__ import cli

    arguments = [job["action"], "--model", REGISTRY_NAME]
    if job["action"] == "generate":
        arguments += ["--num-threads", str(job["threads"]), "--temperature", str(job["temperature"])]
        if job["ids"]:
            write_ids(job["ids"])
            arguments.append("--run-ids")
    else:
        arguments.append("--partial-eval")
    if job["action"] == "evaluate" or not job["ids"]:
        arguments += ["--test-category", ",".join(job["categories"])]
    cli(arguments)


if __name__ == "__main__":
    main()

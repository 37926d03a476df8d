"""`octupus explain`: sends one request to an endpoint, and shows what the constraint did to the answer."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import APIConnectionError, APIStatusError, OpenAI, OpenAIError
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from octupus.decoding.explain import Explanation, Step
from octupus.errors import ConfigError, EngineError, RequestError

TIMEOUT_S = 300
MUCH, SOME = 0.5, 0.1
"""Removed probabilities from which on a step is shown in red, and in yellow."""
WORTH_SHOWING = 0.005
"""Probability below which a token that the mask forbade tells nothing."""


@dataclass(frozen=True)
class ExplainOptions:
    """What `octupus explain` is asked to do."""

    file: Path
    url: str
    as_json: bool = False


def explain(options: ExplainOptions) -> int:
    """Print the explanation of the answer to the request in a file; 0 once it is printed.

    Raises ConfigError for a file that holds no request, RequestError when the endpoint refuses it, and EngineError
    when there is no endpoint or it gives no explanation.
    """
    plain = _ask(_request(options.file), options.url)
    if options.as_json:
        print(json.dumps(plain, ensure_ascii=False))
        return 0
    try:
        explanation = TypeAdapter(Explanation).validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise EngineError(
            f"the explanation of {options.url} has another form ({place}: {first['msg']}); is it the same octupus?"
        ) from error
    _show(explanation, Console())
    return 0


def _request(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ConfigError(f"{file} does not exist; give a JSON file with the body of a Chat Completions request")
    try:
        request = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(request, dict) or "model" not in request or "messages" not in request:
        raise ConfigError(f"{file} must hold the body of a Chat Completions request, with model and messages")
    return request


def _ask(request: dict[str, Any], url: str) -> Any:
    # The fields go as they stand in the file, whatever this version of the package knows of them.
    rest = {field: value for field, value in request.items() if field not in ("model", "messages", "stream_options")}
    body = {**rest, "stream": False, "explain": True}
    key = os.environ.get("OPENAI_API_KEY") or "unused"  # the package insists on one
    with OpenAI(base_url=url, api_key=key, max_retries=0, timeout=TIMEOUT_S) as client:
        try:
            completion = client.chat.completions.create(
                model=request["model"], messages=request["messages"], extra_body=body
            )
        except APIConnectionError as error:
            raise EngineError(f"no answer from {url}: {error}; start the endpoint, or name it with --url") from error
        except APIStatusError as error:
            refused = f"{url} answered {error.status_code}: {error.message}"
            raise (RequestError(refused) if error.status_code < 500 else EngineError(refused)) from error
        except OpenAIError as error:
            raise EngineError(f"{url}: {error}") from error
    notes = (getattr(completion, "model_extra", None) or {}).get("octupus")
    if not isinstance(notes, dict) or "explanation" not in notes:
        raise EngineError(f"the answer of {url} holds no explanation; only octupus's own endpoint gives one")
    return notes["explanation"]


def _show(explanation: Explanation, console: Console) -> None:
    table = Table()
    for heading in ("step", "allowed"):
        table.add_column(heading, justify="right")
    for heading in ("phase", "token", "", "removed", "preferred instead"):
        table.add_column(heading)
    for position, step in enumerate(explanation.steps):
        cells = (position, f"{step.allowed:,}", step.phase, repr(step.text), _mark(step), _removed(step), _wanted(step))
        # Text, since square brackets in a plain string would be read as markup.
        table.add_row(*(Text(str(cell)) for cell in cells), style=_style(step))
    console.print(table)
    path = " > ".join(f"{run.phase} {run.tokens}".removesuffix(" 0") for run in explanation.phases)
    lines = {"phases": path, "forced": f"{explanation.forced_share:.0%} of {len(explanation.steps)} tokens"}
    if explanation.removed_mean is not None and explanation.removed_max is not None:
        lines["removed"] = (
            f"at least {explanation.removed_mean:.1%} of the probability in the mean step, and "
            f"{explanation.removed_max:.1%} in the worst"
        )
    if explanation.hurried_from is not None:
        lines["budget"] = f"max_tokens took choices from the model from step {explanation.hurried_from} on"
    if explanation.refused_at is not None:
        lines["stopped"] = f"the constraint does not take step {explanation.refused_at}; report this"
    for name, line in lines.items():
        console.print(Text(f"{name:9}{line}"), soft_wrap=True)
    if explanation.most_removed:
        console.print(Text("most was removed at"), style="bold")
    for position in explanation.most_removed:
        step = explanation.steps[position]
        line = f"  step {position} ({step.phase}): wrote {step.text!r}, would rather have written {_wanted(step)}"
        console.print(Text(line), soft_wrap=True)


def _mark(step: Step) -> str:
    return " ".join(["forced"] * step.forced + ["hurried"] * step.hurried)


def _removed(step: Step) -> str:
    return "" if step.removed is None else f"at least {step.removed:.1%}"


def _wanted(step: Step) -> str:
    shown = [token for token in step.preferred if token.probability >= WORTH_SHOWING]
    return ", ".join(f"{token.text!r} {token.probability:.1%}" for token in shown)


def _style(step: Step) -> str:
    removed = step.removed or 0.0
    if removed >= MUCH:
        return "red"
    if removed >= SOME:
        return "yellow"
    return "dim" if step.forced else ""

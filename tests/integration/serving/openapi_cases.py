"""Requests that schemathesis makes up from the served OpenAPI document, and what their answers must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .asking import MODEL

MOST_TOKENS = 24
"""What an answer may have here, so that a run ends soon."""
BUDGETS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def bounded(context: Any, body: Any) -> Any:
    """The body with the name of the model that is served and a small budget; what is no valid value stays."""
    if not isinstance(body, dict):
        return body
    body = dict(body)
    if isinstance(body.get("model"), str):
        body["model"] = MODEL
    for field in BUDGETS:
        if isinstance(body.get(field), int) and body[field] > MOST_TOKENS:
            body[field] = MOST_TOKENS
    path = context.operation.path
    if path.endswith(("/chat/completions", "/completions", "/responses")):
        field = "max_output_tokens" if path.endswith("/responses") else "max_tokens"
        if body.get(field) is None:
            body[field] = MOST_TOKENS
    if isinstance(body.get("n"), int) and 2 < body["n"] <= 16:
        body["n"] = 2
    return body


def operations(document: str) -> Iterator[Any]:
    """Every operation of the document at this URL."""
    schema = schemathesis.openapi.from_url(document)
    schema.hook("map_body")(bounded)
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        yield result.ok()


def ask(operation: Any, examples: int) -> Counter[int]:
    """Send `examples` requests that fit the document, and as many that do not; how often each status came.

    Raises schemathesis's failures where an answer is a 5xx or is not what the document says.
    """
    statuses: Counter[int] = Counter()
    for mode in schemathesis.GenerationMode:

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            response = case.call(timeout=120)
            statuses[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        try:
            send()
        except Unsatisfiable:
            assert mode is schemathesis.GenerationMode.NEGATIVE, operation.label  # nothing can be wrong in it
    return statuses

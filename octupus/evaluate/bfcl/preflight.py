"""What must hold of an endpoint before anything is written: it answers, lets us in, has the model, and takes tools."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.config import EndpointConfig

LIST_TIMEOUT_S = 20
CONSTRAINED_HEADER = "x-octupus-constrained"

_PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_TOOL = {"name": "get_weather", "description": "The weather of a city.", "parameters": _PARAMETERS}
_QUESTION = [{"role": "user", "content": "How is the weather in Paris?"}]
# As the harness sends it, but for the limit: neither API is given one by it.
_PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (
        "/chat/completions",
        {"messages": _QUESTION, "tools": [{"type": "function", "function": _TOOL}], "max_tokens": 64},
    ),
    "responses": (
        "/responses",
        {"input": _QUESTION, "tools": [{"type": "function"} | _TOOL], "store": False, "max_output_tokens": 64},
    ),
}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that can be measured."""

    base_url: str
    model: str
    card: Mapping[str, Any]
    """What it lists of the model; empty where it lists none."""


def headers_of(constrained: bool) -> dict[str, str]:
    """Headers of every request beside the key."""
    return {} if constrained else {CONSTRAINED_HEADER: "false"}


def check_endpoint(config: EndpointConfig, api: str, constrained: bool) -> Endpoint:
    """Ask for the models and for one answer with a tool. Raises EvaluationError that says what to do."""
    base_url = config.base_url.rstrip("/")
    headers = headers_of(constrained)
    if key := os.environ.get(config.api_key_variable):
        headers["authorization"] = f"Bearer {key}"
    with httpx.Client(headers=headers, timeout=config.timeout_s) as client:
        cards = _models(client, base_url, config)
        model = _chosen(config.model, list(cards), base_url)
        _probe(client, base_url, model, api, config)
    return Endpoint(base_url, model, cards.get(model, {}))


def _models(client: httpx.Client, base_url: str, config: EndpointConfig) -> dict[str, dict[str, Any]]:
    answer = _answer(client, "GET", f"{base_url}/models", config, timeout=LIST_TIMEOUT_S)
    if answer.status_code == 404:
        return {}  # some gateways list none; the probe tells whether the name is right
    value = _json(answer)
    listed = value.get("data") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise EvaluationError(f"{answer.url} lists no models as OpenAI's API does; is {base_url} the right base URL?")
    return {card["id"]: card for card in listed}


def _chosen(wanted: str | None, known: list[str], base_url: str) -> str:
    if wanted is None:
        if len(known) == 1:
            return known[0]
        raise EvaluationError(f"{base_url} lists {len(known)} models ({', '.join(known)}); name one: --endpoint.model")
    if known and wanted not in known:
        raise EvaluationError(f"{base_url} has no model {wanted!r}; it lists {', '.join(known)}")
    return wanted


def _probe(client: httpx.Client, base_url: str, model: str, api: str, config: EndpointConfig) -> None:
    path, body = _PROBES[api]
    answer = _answer(client, "POST", f"{base_url}{path}", config, json={"model": model} | body)
    if answer.status_code in (404, 405):
        raise EvaluationError(f"{base_url} does not know {path}: {_said(answer)}; choose another --api or base URL")
    if answer.status_code != 200:
        raise EvaluationError(
            f"{base_url}{path} refuses a request with one tool, as BFCL sends it ({answer.status_code}: "
            f"{_said(answer)}); a model without tool calls cannot be measured"
        )
    value = _json(answer)
    key = "choices" if api == "chat" else "output"
    if not isinstance(value, dict) or not isinstance(value.get(key), list):
        raise EvaluationError(f"{base_url}{path} answers without `{key}`; it does not speak OpenAI's API")
    if not value.get("usage"):
        raise EvaluationError(f"{base_url}{path} answers without `usage`, without which the harness loses every item")


def _answer(client: httpx.Client, method: str, url: str, config: EndpointConfig, **request: Any) -> httpx.Response:
    try:
        answer = client.request(method, url, **request)
    except httpx.TimeoutException as error:
        seconds = request.get("timeout", config.timeout_s)
        raise EvaluationError(
            f"{url} did not answer within {seconds:g} s; look at the server, or raise --endpoint.timeout_s"
        ) from error
    except httpx.TransportError as error:
        raise EvaluationError(f"nothing answers at {url} ({error}); start the server, or mend the base URL") from error
    if answer.status_code in (401, 403):
        variable = config.api_key_variable
        state = "is refused" if os.environ.get(variable) else "is not set"
        raise EvaluationError(f"{url} wants an API key: {_said(answer)}; the variable {variable} {state}")
    return answer


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise EvaluationError(
            f"{answer.url} answers {answer.headers.get('content-type', 'something')} in place of JSON; "
            "it does not speak OpenAI's API"
        ) from error


def _said(answer: httpx.Response) -> str:
    """The server's own words, short."""
    try:
        value = answer.json()
        text = str(value["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.text
    return " ".join(text.split())[:300]

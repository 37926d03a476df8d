"""schemathesis over the served OpenAPI document: whatever is sent, no answer is a 5xx, and each is as documented."""

from typing import Any

import httpx
import pytest

from .openapi_cases import ask, operations

pytestmark = pytest.mark.timeout(900)

EXAMPLES = 15
PATHS = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/completions",
    "/v1/tokenize",
    "/v1/tools:check",
    "/v1/models",
    "/v1/models/{model}",
    "/v1/health",
    "/v1/metrics",
]


@pytest.fixture(scope="module")
def by_path(base_url: str) -> dict[str, Any]:
    return {operation.path: operation for operation in operations(base_url.removesuffix("/v1") + "/openapi.json")}


def test_every_route_is_documented_twice(by_path: dict[str, Any]) -> None:
    assert set(by_path) == {prefix + path.removeprefix("/v1") for path in PATHS for prefix in ("", "/v1")}


def test_the_document_tells_bodies_streams_and_errors(base_url: str) -> None:
    document = httpx.get(base_url.removesuffix("/v1") + "/openapi.json").json()
    chat = document["paths"]["/v1/chat/completions"]["post"]
    reference = chat["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert "messages" in document["components"]["schemas"][reference.rpartition("/")[2]]["required"]
    assert {"application/json", "text/event-stream"} == set(chat["responses"]["200"]["content"])
    assert {"400", "401", "404", "413", "429", "503"} < set(chat["responses"])
    assert set(document["paths"]["/v1/metrics"]["get"]["responses"]["200"]["content"]) == {"text/plain"}


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_is_a_server_error(by_path: dict[str, Any], path: str) -> None:
    """Requests that fit the document and requests that do not; the routes without /v1 have the same functions."""
    statuses = ask(by_path[path], EXAMPLES)
    assert statuses[200] or "{" in path, statuses  # no made-up name is that of a model

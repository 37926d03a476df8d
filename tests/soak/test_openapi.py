"""schemathesis with many examples: 500 an operation that fit the OpenAPI document and 500 that do not: `make soak`."""

from typing import Any

import pytest

from ..integration.serving.conftest import base_url, model_directory, private_ray  # noqa: F401
from ..integration.serving.openapi_cases import ask, operations

pytestmark = pytest.mark.timeout(6 * 3600)

EXAMPLES = 500


def test_no_answer_is_a_server_error(base_url: str) -> None:  # noqa: F811
    found: dict[str, Any] = {}
    for operation in operations(base_url.removesuffix("/v1") + "/openapi.json"):
        found[operation.label] = ask(operation, EXAMPLES)
        print(operation.label, dict(sorted(found[operation.label].items())), flush=True)
    assert all(status < 500 for statuses in found.values() for status in statuses)

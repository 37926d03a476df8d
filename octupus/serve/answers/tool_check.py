"""The answer of /v1/tools:check: for each tool whether it is admitted, and what becomes of each keyword."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octupus.conversation import Tool
from octupus.decoding.admission import Handling, RefusedSchemaError, SchemaAdmission


def checked_tools(tools: Sequence[Tool], schemas: SchemaAdmission, backend: str) -> dict[str, Any]:
    """What a request with these tools would meet. `backend` is the one whose keywords are told of a refused tool."""
    checked = [_checked(tool, schemas, backend) for tool in tools]
    return {"object": "tools.check", "admitted": all(tool["admitted"] for tool in checked), "tools": checked}


def _checked(tool: Tool, schemas: SchemaAdmission, backend: str) -> dict[str, Any]:
    schema = tool.function.parameters
    used, error, verdict = None, None, Handling.ENFORCED
    try:
        admitted = schemas.arguments(schema)
    except RefusedSchemaError as refused:
        error, verdict = str(refused), Handling.REFUSED
    else:
        used = backend = admitted.value.backend
        verdict = Handling.CHECKED if admitted.checked else Handling.ENFORCED
    return {
        "name": tool.function.name,
        "admitted": error is None,
        "verdict": verdict.value,
        "backend": used,
        "error": error,
        "keywords": [
            {
                "keyword": item.keyword,
                "json_pointer": item.json_pointer,
                "verdict": item.handling.value,
                "explanation": item.explanation,
            }
            for item in schemas.verdicts(schema, backend)
        ],
    }

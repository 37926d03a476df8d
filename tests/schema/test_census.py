"""Counting keywords."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octupus.schema.census import keywords


def test_only_keywords_of_schemas_count() -> None:
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": [{"pattern": 1}], "default": {"minimum": 3}},
            "many": {"type": "array", "prefixItems": [{"minimum": 1}, True], "items": {"anyOf": [{"type": "null"}]}},
        },
        "$defs": {"maximum": {"maximum": 2}},
        "additionalProperties": False,
    }
    assert keywords(schema) == Counter(
        ["type"] * 4
        + ["properties", "enum", "default", "prefixItems", "minimum", "items", "anyOf", "$defs", "maximum"]
        + ["additionalProperties"]
    )


def test_what_is_no_schema_counts_nothing() -> None:
    assert keywords(True) == keywords([{"type": "string"}]) == Counter()


def test_no_nesting_is_too_deep() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"items": schema}
    assert keywords(schema) == Counter({"items": 100_000})


def test_counts_of_real_schemas(shared: Callable[[str], Path]) -> None:
    counted: Counter[str] = Counter()
    with shared("corpora/json_schemas/maskbench_sample.jsonl").open() as lines:
        for line in lines:
            counted += keywords(json.loads(line)["schema"])
    assert counted["type"] > counted["properties"] > counted["additionalProperties"] > 0

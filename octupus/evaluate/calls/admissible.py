"""Expected calls of the record format as admissible calls, so that BFCL's rules can judge answers to any corpus.

A record knows one value of each argument, so that is the one admissible value. Where the schema has a default for an
optional argument, leaving it out and writing the default are the same call, and both are admissible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octupus.evaluate.calls.ast_rules import AdmissibleCall
from octupus.evaluate.calls.ast_values import OMITTED, declared_type, item_type
from octupus.evaluate.calls.strict import canonical


def admissible_call(name: str, arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> AdmissibleCall:
    """The admissible call of an expected one; `parameters` is the JSON Schema of the tool's arguments.

    An expected empty text may be left out, too: BFCL's form has no other sign for that.
    """
    properties = parameters.get("properties") or {}
    required = parameters.get("required") or ()
    optional = {
        key: schema["default"]
        for key, schema in properties.items()
        if isinstance(schema, Mapping) and "default" in schema and key not in required
    }
    admissible: dict[str, list[Any]] = {}
    for key, value in arguments.items():
        admissible[key] = [_folded(value, properties.get(key))]
        if key in optional and canonical(optional[key]) == canonical(value):
            admissible[key].append(OMITTED)
    for key, default in optional.items():
        admissible.setdefault(key, [_folded(default, properties[key]), OMITTED])
    return AdmissibleCall(name, admissible)


def _folded(value: Any, schema: Any) -> Any:
    """A value in BFCL's form: of an object, the list of admissible values under each key."""
    schema = schema if isinstance(schema, Mapping) else {}
    if isinstance(value, dict) and declared_type(schema, value) in (dict, None):
        return _folded_object(value)
    if isinstance(value, list) and item_type(schema) is dict:
        return [_folded_object(item) if isinstance(item, dict) else item for item in value]
    return value


def _folded_object(value: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {key: [each] for key, each in value.items()}

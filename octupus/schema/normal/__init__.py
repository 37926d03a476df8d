"""Schemas in normal form: the small language that constraints, closing paths and backends share.

Every subschema of a normal form is one of

    {}                                          any JSON value
    {"$ref": "#/$defs/NAME"}                    alone; `$defs` stands at the root only
    {"anyOf": [...]}                            alone, at least two members
    {"enum": [...]}                             alone, at least one JSON value, each valid; `const` is written so too
    {"type": "null"} {"type": "boolean"}
    {"type": "string"}    with minLength, maxLength, pattern
    {"type": "integer"}   with minimum, maximum, multipleOf
    {"type": "number"}    with minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
    {"type": "array"}     with prefixItems, items, minItems, maxItems
    {"type": "object"}    with properties, required, patternProperties, additionalProperties, minProperties,
                          maxProperties

`items` and `additionalProperties` may be false; elsewhere a subschema is an object. A property that may never be
written is left out of `properties` where additional ones are refused, and is `{"enum": []}`, which nothing satisfies,
where they are not. Keywords that restrict nothing are dropped, keys stand in the order of this list, and `properties`
in their author's order.
"""

from __future__ import annotations

from octupus.schema.normal.errors import (
    ContradictorySchemaError,
    ReferenceSchemaError,
    RefusedSchemaError,
    SchemaLimitError,
)
from octupus.schema.normal.form import NormalSchema, normalise

__all__ = [
    "ContradictorySchemaError",
    "NormalSchema",
    "ReferenceSchemaError",
    "RefusedSchemaError",
    "SchemaLimitError",
    "normalise",
]

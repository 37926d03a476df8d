"""Which keywords restrict something, by draft, and which of them bind values of one type alone."""

from __future__ import annotations

from typing import Any

NUMBER_KEYWORDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
STRING_KEYWORDS = frozenset({"minLength", "maxLength", "pattern", "format"})
ARRAY_KEYWORDS = frozenset(
    {"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"}
    | {"minContains", "maxContains", "unevaluatedItems"}
)
OBJECT_KEYWORDS = frozenset(
    {"properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties"}
    | {"propertyNames", "unevaluatedProperties"}
)
"""Without the keywords on dependencies, which are choices between schemas."""
IN_PLACE = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if"}) | {
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
}
"""Keywords whose subschemas apply to the same value as their siblings."""

_DRAFT_04 = frozenset(
    {"$ref", "type", "enum", "allOf", "anyOf", "oneOf", "not", "dependencies", "format", "pattern"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"items", "additionalItems", "minItems", "maxItems", "uniqueItems", "required", "properties"}
    | {"patternProperties", "additionalProperties", "minProperties", "maxProperties"}
)
_DRAFT_06 = _DRAFT_04 | {"const", "contains", "propertyNames"}
_DRAFT_07 = _DRAFT_06 | {"if", "then", "else"}
_DRAFT_2019 = _DRAFT_07 | {
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "minContains",
    "maxContains",
    "$recursiveRef",
}
_DRAFT_2020 = (_DRAFT_2019 | {"prefixItems", "$dynamicRef"}) - {"additionalItems", "$recursiveRef"}
_RESTRICTING = {
    "draft-04": _DRAFT_04,
    "draft-06": _DRAFT_06,
    "draft-07": _DRAFT_07,
    "2019-09": _DRAFT_2019,
    "2020-12": _DRAFT_2020,
}
_REFERENCES_STAND_ALONE = frozenset({"draft-04", "draft-06", "draft-07"})


def restricting(schema: dict[str, Any], draft: str) -> dict[str, Any]:
    """The schema without annotations. Up to draft-07, keywords beside `$ref` restrict nothing."""
    if "$ref" in schema and draft in _REFERENCES_STAND_ALONE:
        return {"$ref": schema["$ref"]}
    known = _RESTRICTING[draft]
    kept = {keyword: value for keyword, value in schema.items() if keyword in known}
    if "if" not in kept:
        kept.pop("then", None)
        kept.pop("else", None)
    return kept

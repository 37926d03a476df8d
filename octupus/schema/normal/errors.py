"""Why a schema is refused before anything is built from it."""

from __future__ import annotations

from octupus.errors import OctupusError


class RefusedSchemaError(OctupusError):
    """A schema that no constraint is built from. `pointer` is the JSON pointer of the reason in the original."""

    def __init__(self, keyword: str, pointer: str, explanation: str) -> None:
        super().__init__(f"schema refused at {pointer or '/'}: {explanation}")
        self.keyword = keyword
        self.pointer = pointer
        self.explanation = explanation


class SchemaLimitError(RefusedSchemaError):
    """A schema is too large, too deep, or multiplies out to too many alternatives."""


class ContradictorySchemaError(RefusedSchemaError):
    """No value satisfies the schema."""


class ReferenceSchemaError(RefusedSchemaError):
    """A reference leads out of the schema, or to nothing in it."""

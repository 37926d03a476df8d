"""The normal form of a schema, and what it could not express."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octupus.schema.normal.emission import Emission
from octupus.schema.normal.errors import ContradictorySchemaError
from octupus.schema.normal.expansion import Expansion
from octupus.schema.normal.limits import Budget, check_limits
from octupus.schema.normal.satisfiable import Satisfiable
from octupus.schema.unsupported import Unsupported
from octupus.schema.validation import InvalidSchemaError, check_schema, draft_of


@dataclass(frozen=True)
class NormalSchema:
    """See the package."""

    schema: dict[str, Any]
    """The normal form. It admits every instance of the original unless `normalise` was asked to close objects."""
    unexpressed: tuple[Unsupported, ...]
    """What the original asks beyond the normal form; empty means that both have the same instances."""
    pointers: Mapping[int, str]
    """JSON pointer into the original for each subschema of `schema`, by its `id()`."""


def normalise(schema: Mapping[str, object] | bool, *, closed: bool = False) -> NormalSchema:
    """The normal form of a schema that `validation.check_schema` accepts, read by the draft that it names.

    With `closed`, an object that lists `properties` and says nothing about others admits those alone: an argument that
    no tool declared helps nobody. The known formats of strings are held; the standard leaves that to who asks.

    Raises InvalidSchemaError, SchemaLimitError (see `limits`), ReferenceSchemaError for a reference that leads out of
    the schema or nowhere, and ContradictorySchemaError when no value satisfies the schema.
    """
    check_limits(schema)
    budget = Budget()
    expansion = Expansion(schema, draft_of(schema), budget, closed=closed)
    expansion.references.check()
    violation = check_schema(schema)  # type: ignore[arg-type]
    if violation is not None:
        raise InvalidSchemaError(violation)
    root = expansion.goal([expansion.references.root])
    satisfiable = Satisfiable(expansion, root, budget)
    if root not in satisfiable:
        cause = satisfiable.cause(root)
        raise ContradictorySchemaError(cause.keyword, cause.pointer, f"no value satisfies it: {cause.explanation}")
    emission = Emission(satisfiable, root)
    return NormalSchema(emission.schema, tuple(emission.unexpressed), emission.pointers)

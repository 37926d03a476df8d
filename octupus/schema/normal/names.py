"""What `propertyNames` says: a list of names, or patterns that they match."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from octupus.schema.normal.atoms import Atom
from octupus.schema.normal.references import Place


@dataclass(frozen=True, slots=True)
class Names:
    """Names that are listed or match one of the patterns."""

    listed: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


NAMES_OF_ALL = Names(patterns=("",))
"""Every name."""


class PropertyNames:
    """Reads schemas of names."""

    def __init__(self, expand: Callable[[list[Place]], list[Atom] | None]) -> None:
        self._expand = expand

    def of(self, place: Place) -> Names | None:
        """The names that a schema admits, or None where neither list nor patterns say it."""
        atoms = self._expand([place])
        if atoms is None:
            return None
        listed: list[str] = []
        patterns: list[str] = []
        for atom in atoms:
            if atom.kind == "any":
                return NAMES_OF_ALL
            if atom.kind == "enum":
                listed += [member for member in atom.members if isinstance(member, str)]
            elif atom.kind == "string":
                if atom.unexpressed or set(atom.keywords) - {"pattern"}:
                    return None
                patterns.append(atom.keywords.get("pattern", ""))
        return NAMES_OF_ALL if "" in patterns else Names(tuple(listed), tuple(patterns))

"""Which goals have a value at all: a least fixpoint, as a value of a recursive schema has to end."""

from __future__ import annotations

from octupus.schema.normal.atoms import Atom, Cause, Goal
from octupus.schema.normal.errors import SchemaLimitError
from octupus.schema.normal.expansion import Expansion
from octupus.schema.normal.limits import MAX_SUBSCHEMAS, Budget
from octupus.schema.normal.objects import matches


class Satisfiable:
    """The goals that the root leads to, and which of their atoms have a value."""

    def __init__(self, expansion: Expansion, root: Goal, budget: Budget) -> None:
        self._expansion = expansion
        self._budget = budget
        self.goals = self._reachable(root)
        self._possible: set[tuple[str, ...]] = set()
        waiting = list(reversed(self.goals.values()))
        grew = True
        while grew:
            grew = False
            left = []
            for goal in waiting:
                if any(self.admits(atom) for atom in expansion.atoms(goal)[0]):
                    self._possible.add(goal.key)
                    grew = True
                else:
                    left.append(goal)
            waiting = left

    def __contains__(self, goal: Goal) -> bool:
        return goal.is_anything or goal.key in self._possible

    def live(self, goal: Goal) -> list[Atom]:
        """The atoms of a goal that have a value."""
        return [atom for atom in self._expansion.atoms(goal)[0] if self.admits(atom)]

    def admits(self, atom: Atom) -> bool:
        """Whether an atom has a value, as far as is known yet."""
        self._budget.spend(1 + len(atom.required), atom.pointer)
        if atom.kind == "array":
            least: int = atom.keywords.get("minItems", 0)
            return self.items_possible(atom, least) >= least
        if atom.kind == "object":
            return self._impossible_property(atom) is None and self._has_enough(atom)
        return True

    def items_possible(self, atom: Atom, wanted: int) -> int:
        """How many items can come before one that nothing satisfies, counted up to `wanted`."""
        for at, goal in enumerate(atom.prefix[:wanted]):
            if goal not in self:
                return at
        return wanted if wanted <= len(atom.prefix) or atom.items in self else len(atom.prefix)

    def cause(self, root: Goal) -> Cause:
        """Why a goal without a value has none: the innermost reason."""
        goal, seen = root, set()
        while goal.key not in seen:
            seen.add(goal.key)
            atoms, causes = self._expansion.atoms(goal)
            if not atoms:
                return causes[0]
            below = self._below(atoms[0])
            if below is None:
                explanation = "fewer properties are possible than minProperties asks for"
                return Cause("minProperties", atoms[0].pointer, explanation)
            goal = below
        return Cause("$ref", goal.pointer, "it requires itself without an end, so no finite value satisfies it")

    def _below(self, atom: Atom) -> Goal | None:
        if atom.kind == "array":
            return atom.item(self.items_possible(atom, atom.keywords.get("minItems", 0)))
        name = self._impossible_property(atom)
        return None if name is None else self._goals_of(atom, name)[1]

    def _impossible_property(self, atom: Atom) -> str | None:
        return next((name for name in atom.required if not self._goals_of(atom, name)[0]), None)

    def _goals_of(self, atom: Atom, name: str) -> tuple[bool, Goal]:
        """Whether a property can be written, and the goal that says so."""
        if name in atom.properties:
            return atom.properties[name] in self, atom.properties[name]
        if atom.closes:
            return True, atom.additional
        matching = [goal for pattern, goal in atom.patterns.items() if matches(pattern, name)]
        goals = matching or [atom.additional]
        impossible = [goal for goal in goals if goal not in self]
        return not impossible, (impossible or goals)[0]

    def _has_enough(self, atom: Atom) -> bool:
        least: int = atom.keywords.get("minProperties", 0)
        if not least or (not atom.closes and atom.additional in self):
            return True
        if any(goal in self for goal in atom.patterns.values()):
            return True
        possible = sum(goal in self for goal in atom.properties.values())
        unlisted = sum(name not in atom.properties for name in atom.required)
        return possible + unlisted >= least

    def _reachable(self, root: Goal) -> dict[tuple[str, ...], Goal]:
        found = {root.key: root}
        waiting = [root]
        while waiting:
            goal = waiting.pop()
            for atom in self._expansion.atoms(goal)[0]:
                below = atom.goals()
                self._budget.spend(len(below), goal.pointer)
                for other in below:
                    if not other.is_anything and other.key not in found:
                        found[other.key] = other
                        waiting.append(other)
            if len(found) > MAX_SUBSCHEMAS:
                raise SchemaLimitError("", goal.pointer, f"it multiplies out to over {MAX_SUBSCHEMAS} subschemas")
        return found

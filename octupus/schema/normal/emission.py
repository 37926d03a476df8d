"""Goals written as a normal form: shared and recursive ones once, in `$defs`."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from octupus.schema.normal.atoms import Atom, Goal
from octupus.schema.normal.equality import distinct
from octupus.schema.normal.errors import SchemaLimitError
from octupus.schema.normal.limits import MAX_ENUM_MEMBERS, MAX_SUBSCHEMAS, UNREACHABLE
from octupus.schema.normal.objects import matches
from octupus.schema.normal.satisfiable import Satisfiable
from octupus.schema.unsupported import Unsupported

_DEEPEST_INLINE = 32
_SMALL_ENUM = 8
_EVERY_TYPE = {json.dumps({"type": kind}) for kind in ("null", "boolean", "string", "number", "array", "object")}
_ORDER = (
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
)


class Emission:
    """Writes the goals that a satisfiable root leads to."""

    def __init__(self, satisfiable: Satisfiable, root: Goal) -> None:
        self._satisfiable = satisfiable
        self._live = self._used(root)
        self._uses = Counter(goal.key for atoms in self._live.values() for atom in atoms for goal in self._below(atom))
        self._uses[root.key] += 1
        self._names: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()
        self._waiting: list[Goal] = []
        self._written = self._members = 0
        self.pointers: dict[int, str] = {}
        self.unexpressed: dict[Unsupported, None] = {}
        definitions: dict[str, Any] = {}
        self.schema = dict(self._place(root, root.pointer, 0))
        while self._waiting:
            goal = self._waiting.pop()
            definitions[self._names[goal.key]] = self._goal(goal, goal.pointer, 0)
        if definitions:
            self.schema["$defs"] = definitions
        self.pointers[id(self.schema)] = root.pointer

    def _used(self, root: Goal) -> dict[tuple[str, ...], list[Atom]]:
        used: dict[tuple[str, ...], list[Atom]] = {}
        waiting = [root]
        while waiting:
            goal = waiting.pop()
            if goal.key not in used and not goal.is_anything:
                used[goal.key] = self._satisfiable.live(goal)
                waiting += [below for atom in used[goal.key] for below in self._below(atom)]
        return used

    def _below(self, atom: Atom) -> list[Goal]:
        """The goals of an atom that are written."""
        goals = (
            [*atom.prefix, atom.items] if atom.kind == "array" else [*atom.properties.values(), *atom.patterns.values()]
        )
        if atom.kind == "object" and not atom.closes:
            goals.append(atom.additional)
        return [goal for goal in goals if goal in self._satisfiable]

    def _place(self, goal: Goal, pointer: str, depth: int) -> dict[str, Any]:
        """A goal where it is used: in full, or by reference."""
        if goal.is_anything:
            return self._note({}, pointer)
        atoms = self._live[goal.key]
        small = all(not atom.goals() and len(atom.members) <= _SMALL_ENUM for atom in atoms)
        if depth < _DEEPEST_INLINE and ((small and len(atoms) <= _SMALL_ENUM) or self._uses[goal.key] == 1):
            return self._goal(goal, pointer, depth)
        if goal.key not in self._names:
            self._names[goal.key] = self._name(goal)
            self._waiting.append(goal)
        return self._note({"$ref": f"#/$defs/{self._names[goal.key]}"}, goal.pointer)

    def _name(self, goal: Goal) -> str:
        last = re.sub(r"[^A-Za-z0-9_.-]", "_", goal.pointer.rsplit("/", 1)[-1])[:64] or "root"
        name, count = last, 1
        while name in self._taken:
            count += 1
            name = f"{last}.{count}"
        self._taken.add(name)
        return name

    def _goal(self, goal: Goal, pointer: str, depth: int) -> dict[str, Any]:
        atoms = self._live[goal.key]
        anything = [atom for atom in atoms if atom.kind == "any"]
        written: dict[str, dict[str, Any]] = {}
        values: list[Any] = []
        enums: dict[str, Any] | None = None
        for atom in anything[:1] or atoms:
            self.unexpressed.update(dict.fromkeys(atom.unexpressed))
            if atom.kind == "enum":
                values += atom.members
                if enums is None:
                    enums = written["enum"] = self._note({}, atom.pointer)
            else:
                schema = self._atom(atom, depth)
                written.setdefault(json.dumps(schema), schema)
        if enums is not None:
            enums["enum"] = distinct(values)
            self._members += len(enums["enum"])
            if self._members > MAX_ENUM_MEMBERS:
                raise SchemaLimitError("enum", pointer, f"its enums multiply out to over {MAX_ENUM_MEMBERS} values")
        if written.keys() >= _EVERY_TYPE:
            return self._note({}, pointer)
        members = list(written.values())
        return members[0] if len(members) == 1 else self._note({"anyOf": members}, pointer)

    def _note(self, schema: dict[str, Any], pointer: str) -> dict[str, Any]:
        self._written += 1
        if self._written > MAX_SUBSCHEMAS:
            raise SchemaLimitError("", pointer, f"it multiplies out to over {MAX_SUBSCHEMAS} subschemas")
        self.pointers[id(schema)] = pointer
        return schema

    def _atom(self, atom: Atom, depth: int) -> dict[str, Any]:
        if atom.kind == "any":
            return self._note({}, atom.pointer)
        schema = self._note({"type": atom.kind}, atom.pointer)
        if atom.kind == "array":
            self._array(schema, atom, depth + 1)
        elif atom.kind == "object":
            self._object(schema, atom, depth + 1)
        else:
            schema.update({keyword: atom.keywords[keyword] for keyword in _ORDER if keyword in atom.keywords})
            if schema.get("maxProperties", 0) >= UNREACHABLE:
                del schema["maxProperties"]
        return schema

    def _array(self, schema: dict[str, Any], atom: Atom, depth: int) -> None:
        possible = self._satisfiable.items_possible(atom, len(atom.prefix))
        most = atom.keywords.get("maxItems")
        if possible < len(atom.prefix):
            most = possible if most is None else min(most, possible)
        prefix = atom.prefix if most is None else atom.prefix[:most]
        if prefix:
            schema["prefixItems"] = [self._place(goal, atom.pointer, depth) for goal in prefix]
        if most is None or most > len(prefix):
            if atom.items not in self._satisfiable:
                schema["items"] = False
            elif items := self._place(atom.items, atom.pointer, depth):
                schema["items"] = items
        if "minItems" in atom.keywords:
            schema["minItems"] = atom.keywords["minItems"]
        if most is not None and most < UNREACHABLE:
            schema["maxItems"] = most

    def _object(self, schema: dict[str, Any], atom: Atom, depth: int) -> None:
        refused = atom.closes or atom.additional not in self._satisfiable
        patterns = {
            pattern: goal
            for pattern, goal in atom.patterns.items()
            if goal in self._satisfiable or not refused or len(atom.patterns) > 1
        }
        properties: dict[str, Any] = {}
        for name, goal in atom.properties.items():
            if goal in self._satisfiable:
                properties[name] = self._place(goal, atom.pointer, depth)
            elif not refused or any(matches(pattern, name) for pattern in patterns):
                properties[name] = self._note({"enum": []}, goal.pointer)
        for name in atom.required if atom.closes else ():
            if name not in properties:
                properties[name] = self._note({}, atom.pointer)
        if properties:
            schema["properties"] = properties
        if atom.required:
            schema["required"] = list(atom.required)
        if patterns:
            schema["patternProperties"] = {
                pattern: self._place(goal, atom.pointer, depth)
                if goal in self._satisfiable
                else self._note({"enum": []}, goal.pointer)
                for pattern, goal in patterns.items()
            }
        if refused:
            schema["additionalProperties"] = False
        elif additional := self._place(atom.additional, atom.pointer, depth):
            schema["additionalProperties"] = additional
        schema.update(atom.keywords)

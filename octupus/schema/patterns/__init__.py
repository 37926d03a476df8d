"""The `pattern` of a JSON Schema as an automaton: what may follow a prefix, and the shortest way to end it.

Patterns are read as ECMA-262 regular expressions, in the part that means the same to Python, Rust and ECMAScript. A
position automaton is simulated on sets of positions and never made deterministic, so no pattern takes exponential time.
"""

from __future__ import annotations

from octupus.schema.patterns.characters import character_size
from octupus.schema.patterns.errors import PatternError
from octupus.schema.patterns.pattern import Pattern, State, parse_pattern

__all__ = ["Pattern", "PatternError", "State", "character_size", "parse_pattern"]

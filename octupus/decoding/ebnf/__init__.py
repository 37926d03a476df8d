"""Normal forms as context-free grammars, for engines that read a grammar exactly but a JSON Schema loosely.

The notation is the EBNF of llama.cpp's GBNF as xgrammar reads it. Text that a grammar admits is strict JSON with at
most one space behind each comma and colon, keys in the order of `properties`, characters written raw or with the short
escapes (`\\uXXXX` could spell half a surrogate pair), and numbers that a double holds.
"""

from __future__ import annotations

from octupus.decoding.ebnf.rules import Inexpressible
from octupus.decoding.ebnf.schema import Translation, translate

__all__ = ["Inexpressible", "Translation", "translate"]

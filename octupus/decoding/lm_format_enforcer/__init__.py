"""Arguments enforced by lm-format-enforcer's own parsers, made exact and fast.

The library's character-level parsers stay the judge of what may come next. `reader` reads strict JSON and hands them
one decoded character at a time, `automaton` remembers every state and mask that the requests of one schema reach, and
`support` names what is not enforced exactly. The library's transformers and vLLM integrations are not used: they do
not import with today's versions of either.
"""

from __future__ import annotations

from octupus.decoding.lm_format_enforcer.backend import FormatEnforcerBackend
from octupus.decoding.lm_format_enforcer.matcher import FormatEnforcerMatcher

__all__ = ["FormatEnforcerBackend", "FormatEnforcerMatcher"]

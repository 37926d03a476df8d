"""The backends by name, made once for each vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec

from octupus.decoding.arguments import ArgumentsBackend
from octupus.decoding.llguidance import GuidanceBackend
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import ConfigError


def _format_enforcer(vocabulary: TokenVocabulary) -> ArgumentsBackend:
    from octupus.decoding.lm_format_enforcer import FormatEnforcerBackend

    return FormatEnforcerBackend(vocabulary)


def _xgrammar(vocabulary: TokenVocabulary) -> ArgumentsBackend:
    from octupus.decoding.xgrammar import XgrammarBackend

    return XgrammarBackend(vocabulary)


# A library is loaded by those who use it: xgrammar brings torch, and need not be installed.
BACKENDS: dict[str, Callable[[TokenVocabulary], ArgumentsBackend]] = {
    "llguidance": GuidanceBackend,
    "lm-format-enforcer": _format_enforcer,
    "xgrammar": _xgrammar,
}

AUTOMATIC = ("llguidance", "lm-format-enforcer")
"""What `auto` tries, in this order; xgrammar is slow to start and to compile, and is used where it is asked for."""


def installed() -> list[str]:
    """The backends whose library is there."""
    modules = {"llguidance": "llguidance", "lm-format-enforcer": "lmformatenforcer", "xgrammar": "xgrammar"}
    return [name for name in BACKENDS if find_spec(modules[name]) is not None]


class Backends:
    """The backends of one model; each is built when it is first asked for, since its tables take time."""

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self.vocabulary = vocabulary
        self._made: dict[str, ArgumentsBackend] = {}

    def named(self, name: str) -> ArgumentsBackend:
        """The backend of that name. Raises ConfigError naming the known ones."""
        if name not in BACKENDS:
            raise ConfigError(f"unknown decoding backend {name!r}; known backends: {', '.join(BACKENDS)}")
        if name == GuidanceBackend.name:
            return self.guidance
        if name not in self._made:
            self._made[name] = BACKENDS[name](self.vocabulary)
        return self._made[name]

    @cached_property
    def guidance(self) -> GuidanceBackend:
        """llguidance, which also enforces patterns of whole texts."""
        return GuidanceBackend(self.vocabulary)

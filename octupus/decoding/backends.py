"""The backends by name, made once for each vocabulary."""

from __future__ import annotations

from octupus.decoding.arguments import ArgumentsBackend
from octupus.decoding.llguidance import GuidanceBackend
from octupus.decoding.lm_format_enforcer import FormatEnforcerBackend
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import ConfigError

BACKENDS = {backend.name: backend for backend in (GuidanceBackend, FormatEnforcerBackend)}


class Backends:
    """The backends of one model; each is built when it is first asked for, since its tables take time."""

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self.vocabulary = vocabulary
        self._made: dict[str, ArgumentsBackend] = {}

    def named(self, name: str) -> ArgumentsBackend:
        """The backend of that name. Raises ConfigError naming the known ones."""
        if name not in BACKENDS:
            raise ConfigError(f"unknown decoding backend {name!r}; known backends: {', '.join(BACKENDS)}")
        if name not in self._made:
            self._made[name] = BACKENDS[name](self.vocabulary)
        return self._made[name]

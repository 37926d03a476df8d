"""Which tools of a source are taken, and how much of their descriptions."""

from __future__ import annotations

from collections.abc import Sequence

from octupus.agent.tools.toolbox import ToolEntry
from octupus.config import nearest
from octupus.errors import ConfigError

DESCRIPTION_CHARACTERS = 1024


def selected(entries: Sequence[ToolEntry], only: Sequence[str], source: str) -> tuple[ToolEntry, ...]:
    """The entries that `only` names, in their own order; all when it is empty. Raises ConfigError for unknown names."""
    known = [entry.name for entry in entries]
    for name in only:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"its tools are: {', '.join(known)}"
            raise ConfigError(f"{source} has no tool {name!r}; {hint}")
    return tuple(entry for entry in entries if not only or entry.name in only)


def cut_description(text: str, characters: int = DESCRIPTION_CHARACTERS) -> str:
    """The text, or as many of its words as fit."""
    text = text.strip()
    if len(text) <= characters:
        return text
    kept = text[: characters - 1]
    return (kept.rsplit(maxsplit=1)[0] if " " in kept else kept).rstrip() + "…"

"""What a path asks for: its route's template, whether it generates, and whether it needs an API key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GENERATING = frozenset({"/chat/completions", "/completions", "/responses"})

_OTHERS = "/ /models /tokenize /detokenize /tools:check /health /metrics /openapi.json"
_PLAIN = GENERATING | set(_OTHERS.split())
_WITH_REST = {"/models/": "/models/{model}", "/page/": "/page/{file}"}


def path_of(scope: Mapping[str, Any]) -> str:
    """The path that was asked for, without the prefix under which the application is mounted."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    rest = path.removeprefix(prefix)
    return rest if rest.startswith("/") or not rest else path


def template_of(path: str) -> str:
    """The template of the path's route without `/v1`, or `other`: one of few values, whatever clients send."""
    short = _short(path)
    if short in _PLAIN:
        return short
    for beginning, template in _WITH_REST.items():
        if short.startswith(beginning):
            return template
    return "other"


def generates(method: str, path: str) -> bool:
    """Whether the engine is put to work."""
    return method == "POST" and _short(path) in GENERATING


def is_public(method: str, path: str, page: bool) -> bool:
    """Whether no key is needed: the health check, and the files of the page where there is one."""
    if method not in {"GET", "HEAD"}:
        return False
    return _short(path) == "/health" or (page and (path == "/" or path.startswith("/page/")))


def _short(path: str) -> str:
    return path.removeprefix("/v1") if path.startswith("/v1/") else path

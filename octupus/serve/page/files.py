"""The page's files as package data, with the headers that they are served with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_INDEX = "index.html"

HEADERS = {
    # Only the page's own files and its own endpoint; no inline script or style, no frame around it.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # Asked for anew each time, so that no page of an older version talks to a newer endpoint.
    "cache-control": "no-cache",
}
"""Headers of every file of the page."""


@dataclass(frozen=True)
class PageFile:
    """One file as it is served."""

    body: bytes
    media_type: str


@cache
def page_files() -> dict[str, PageFile]:
    """Every file by its route: the page itself at `/`, what it loads below `/page/`."""
    found: dict[str, PageFile] = {}
    for file in files(__package__).iterdir():
        media_type = _MEDIA_TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None:
            route = "/" if file.name == _INDEX else f"/page/{file.name}"
            found[route] = PageFile(file.read_bytes(), media_type)
    return found

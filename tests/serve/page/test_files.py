"""The page's files: all there, and within what its Content-Security-Policy allows."""

import re

from octupus.serve.page.files import HEADERS, page_files


def test_all_that_the_files_load_is_served() -> None:
    served = page_files()
    assert served["/"].media_type.startswith("text/html")
    text = {route: file.body.decode() for route, file in served.items()}
    loaded = {f"/{path}" for path in re.findall(r'(?:src|href)="(page/[^"]+)"', text["/"])}
    for route, source in text.items():
        if route.endswith(".js"):
            loaded |= {f"/page/{name}" for name in re.findall(r'from "\./([\w.]+)"', source)}
    assert loaded == set(served) - {"/"}


def test_nothing_comes_from_outside_and_no_text_becomes_markup() -> None:
    for route, file in page_files().items():
        source = file.body.decode().replace('xmlns="http://www.w3.org/2000/svg"', "")
        for forbidden in (
            "://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
        ):
            assert forbidden not in source, (route, forbidden)
    page = page_files()["/"].body.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page), "no inline script or style"
    assert "unsafe" not in HEADERS["content-security-policy"]

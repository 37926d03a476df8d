"""Paths: few templates, and nothing public that should not be."""

from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.serve.ingress.paths import GENERATING, generates, is_public, path_of, template_of

OTHERS = "/ /models /models/{model} /tokenize /detokenize /tools:check /health /metrics /openapi.json /page/{file}"
TEMPLATES = GENERATING | {*OTHERS.split(), "other"}
PARTS = st.sampled_from(
    ["", "v1", "models", "health", "page", "chat", "completions", "responses", "..", "metrics", "x"]
)
PATHS = st.lists(PARTS, max_size=5).map("/".join).map("/".__add__) | st.text()


@settings(deadline=None)
@given(PATHS, st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), st.booleans())
def test_any_path_has_one_of_few_templates_and_what_generates_is_never_public(
    path: str, method: str, page: bool
) -> None:
    assert template_of(path) in TEMPLATES
    public = is_public(method, path, page)
    assert not (public and generates(method, path))
    assert not (public and method in {"POST", "OPTIONS"})
    assert not public or path in {"/health", "/v1/health", "/"} or path.startswith("/page/")
    assert page or not public or path.endswith("/health")


@settings(deadline=None)
@given(st.sampled_from(sorted(GENERATING)))
def test_routes_are_the_same_with_and_without_v1_and_below_a_prefix(path: str) -> None:
    assert template_of(path) == template_of(f"/v1{path}") == path
    assert generates("POST", path)
    assert generates("POST", f"/v1{path}")
    assert not generates("GET", path)
    assert path_of({"path": f"/llm{path}", "root_path": "/llm"}) == path_of({"path": path}) == path
    assert path_of({"path": f"{path}", "root_path": "/llm"}) == path

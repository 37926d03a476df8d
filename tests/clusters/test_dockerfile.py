"""The image, as far as it can be checked without Docker: its order, its versions, and what it may see."""

import fnmatch
import re
from pathlib import Path

import pytest

from octupus.clusters import pods
from octupus.versions import TESTED

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "clusters" / "Dockerfile"
IGNORE = ROOT / "clusters" / "Dockerfile.dockerignore"

NEVER_IN_THE_IMAGE = [
    ".git/config",
    ".venv/bin/python",
    ".env",
    "runs/stage1/run.json",
    "data/stage1/manifest.json",
    "models/base/config.json",
    "tests/test_config.py",
    "secrets.yaml",
    "octupus/__pycache__/cli.cpython-312.pyc",
    "octupus/model.safetensors",
    "jobs/data/packs-00000.parquet",
    "jobs/corpus.jsonl",
    "serve_configs/.env",
    "octupus/server.key",
    "jobs/.netrc",
]
EXAMPLES = {"*": "example", "**": "a/b", "?": "x"}


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", "\n".join(row for row in DOCKERFILE.read_text().splitlines() if row[:1] != "#"))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def patterns() -> list[tuple[bool, list[str]]]:
    """Whether each pattern excludes, and its parts; what comes later decides."""
    lines = [line for line in IGNORE.read_text().splitlines() if line and not line.startswith("#")]
    return [(not line.startswith("!"), line.removeprefix("!").split("/")) for line in lines]


def matches(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return True  # a directory's content goes with it
    if not path:
        return False
    if pattern[0] == "**":
        return any(matches(pattern[1:], path[at:]) for at in range(len(path)))
    return fnmatch.fnmatchcase(path[0], pattern[0]) and matches(pattern[1:], path[1:])


def excluded(path: str) -> bool:
    decision = False
    for excludes, pattern in patterns():
        if matches(pattern, path.split("/")):
            decision = excludes
    return decision


def test_dependencies_are_installed_before_the_source_is_copied() -> None:
    named = [f"{word} {rest}" for word, rest in instructions()]
    installing = next(at for at, line in enumerate(named) if "'.[gpu,tracking]'" in line)
    copied_before = [line for line in named[:installing] if line.startswith("COPY")]
    assert copied_before == ["COPY pyproject.toml README.md LICENSE ./"]
    assert [rest.split(" AS ")[1] for word, rest in instructions() if word == "FROM"] == [
        "system",
        "dependencies",
        "octupus",
    ]


def test_versions_are_those_of_the_project() -> None:
    text = DOCKERFILE.read_text()
    for package, version in re.findall(r"\b([a-z][\w-]*)==([\w.]+)", text):
        assert TESTED.get(package) == version, package
    for package, version in re.findall(r"^ARG (\w+)_VERSION=(\S+)", text, re.MULTILINE):
        assert TESTED.get(package.lower(), version) == version, package
    # The build itself fails where what pip installed is another set.
    assert "octupus.versions import mismatches; sys.exit(" in text


def test_nothing_is_fetched_by_url_and_nothing_runs_as_root() -> None:
    assert not [rest for word, rest in instructions() if word == "ADD"]
    assert not re.search(r"\b(curl|wget)\b[^\n]*https?://", DOCKERFILE.read_text())
    assert not [rest for word, rest in instructions() if word in ("ARG", "ENV") and re.search("TOKEN|KEY|SECRET", rest)]
    users = [rest for word, rest in instructions() if word == "USER"]
    assert users == [f"{pods.IMAGE_USER}:{pods.IMAGE_USER}"]
    assert instructions()[-2][0] == "USER"


def test_manifests_know_the_places_of_the_image() -> None:
    assert [rest for word, rest in instructions() if word == "WORKDIR"] == [pods.IMAGE_PROJECT]
    environment = next(rest for word, rest in instructions() if word == "ENV")
    assert f"PATH={pods.IMAGE_PROGRAMS}:" in environment
    packages = next(rest for word, rest in instructions() if word == "RUN" and "apt-get install" in rest)
    # wget is in KubeRay's probes, pgrep in the hook of workers that leave, g++ and ninja in DeepSpeed's builds.
    assert {"wget", "procps", "g++", "ninja-build", "python3-dev"} <= set(packages.split())


@pytest.mark.parametrize("path", NEVER_IN_THE_IMAGE)
def test_what_the_image_must_not_hold(path: str) -> None:
    assert excluded(path)


def test_the_image_gets_what_it_copies() -> None:
    for word, rest in instructions():
        if word == "COPY":
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert not excluded(source)
    code = [path for top in ("octupus", "jobs", "serve_configs") for path in (ROOT / top).rglob("*") if path.is_file()]
    kept = [path for path in code if "__pycache__" not in path.parts]
    assert kept
    assert not [path for path in kept if excluded(path.relative_to(ROOT).as_posix())]


def test_whatever_ray_does_not_upload_docker_does_not_see() -> None:
    ray_ignore = ROOT / ".rayignore"
    lines = [line.strip() for line in ray_ignore.read_text().splitlines()]
    for line in lines:
        if not line or line.startswith(("#", "!")):
            continue
        example = re.sub(r"\*\*|[*?]", lambda found: EXAMPLES[found.group()], line).strip("/")
        # A pattern without a slash in it holds in every directory, so also in those that are copied.
        anchored = "/" in line.rstrip("/")
        for place in [example] if anchored else [example, f"octupus/{example}", f"jobs/deep/{example}"]:
            assert excluded(place), f"{line} of .rayignore: {place}"

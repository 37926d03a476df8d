"""Corpus files of the Hugging Face hub, downloaded once into its own cache."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from octupus.errors import CorpusError


def download(repository: str, pattern: str) -> tuple[Path, ...]:
    """The files of a data set that match the pattern, in order of their names.

    The hub's own variables hold: HF_TOKEN, HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE. Raises CorpusError when the hub
    cannot be reached, refuses, or has no such file.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    # Most of the client's errors are OSErrors. The others come as they are from the HTTP library that its version
    # uses, whose error class is a base of its own.
    errors: tuple[type[BaseException], ...] = (OSError, *HfHubHTTPError.__bases__)

    try:
        if "*" in pattern:
            every = huggingface_hub.list_repo_files(repository, repo_type="dataset")
            names = sorted(name for name in every if fnmatch(name, pattern))
        else:
            names = [pattern]
        files = tuple(Path(huggingface_hub.hf_hub_download(repository, name, repo_type="dataset")) for name in names)
    except errors as error:
        raise CorpusError(
            f"data set {repository} cannot be had from the Hugging Face hub: {error}; give the source the path of a "
            "copy, or set HF_TOKEN if it asks for one"
        ) from error
    if not files:
        raise CorpusError(f"data set {repository} has no file {pattern}; give the source the path of a copy")
    return files

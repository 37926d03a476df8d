"""Whether a path or URL is one storage for several machines: what one writes there, the others read.

A path, or an s3:// or gs:// URL, as `run.storage` of a training run takes it. Local files are synced before they count
as written, because a full disk or a full quota of a network file system is told no earlier.
"""

from __future__ import annotations

import errno
import os
import posixpath
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from octupus.errors import OutputError
from octupus.nodes.disk import DiskSpace, disk_space

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class StorageFullError(OutputError):
    """Nothing more can be written there: the disk, or the quota on it, is full."""


@dataclass(frozen=True)
class Token:
    """A small file that was written to a storage."""

    name: str
    content: str
    made_directories: tuple[str, ...] = ()
    """Local directories that did not exist before, outermost first."""


def absolute(location: str) -> str:
    """The location as every machine must read it: a URL as it is, a path from the root."""
    return location if "://" in location else str(Path(location).absolute())


def shown(location: str) -> str:
    """The location without what a URL says of users and passwords."""
    if "://" not in location:
        return location
    url = urlsplit(location)
    return urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))


def write_token(location: str) -> Token:
    """Write a file of a name that nobody else uses; a local directory that is missing is made, as a job would.

    Raises StorageFullError where the disk is full, and OutputError, with the system's reason, where else it fails.
    """
    name = f".octupus-{uuid.uuid4().hex}"
    content = uuid.uuid4().hex
    made: tuple[str, ...] = ()
    try:
        directory = _directory(location)
        if directory is None:
            system, root = _remote(location)
            with system.open_output_stream(posixpath.join(root, name)) as stream:
                stream.write(content.encode())
        else:
            made = _missing(directory)
            directory.mkdir(parents=True, exist_ok=True)
            _write_synced(directory / name, content)
    except (OSError, ValueError) as error:
        _unmake(made)
        raise _failed("write to", location, error) from error
    return Token(name, content, made)


def read_token(location: str, token: Token) -> bool:
    """Whether the token is there, with its content. Raises OutputError where the storage cannot be read at all."""
    try:
        directory = _directory(location)
        if directory is not None:
            return (directory / token.name).read_text() == token.content
        system, root = _remote(location)
        with system.open_input_stream(posixpath.join(root, token.name)) as stream:
            return bool(stream.read() == token.content.encode())
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise _failed("read", location, error) from error


def remove_token(location: str, token: Token) -> None:
    """Remove the token, and the directories that were made for it where nothing else has come into them.

    Nothing happens where it is gone already. Raises OutputError where the storage refuses.
    """
    try:
        directory = _directory(location)
        if directory is not None:
            (directory / token.name).unlink(missing_ok=True)
        else:
            system, root = _remote(location)
            system.delete_file(posixpath.join(root, token.name))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise _failed("delete from", location, error) from error
    _unmake(token.made_directories)


def free_space(location: str) -> DiskSpace | None:
    """Space of the file system behind the location; None for an object store, which has no such bound."""
    directory = _directory(location)
    return None if directory is None else disk_space(directory)


def _directory(location: str) -> Path | None:
    if "://" not in location:
        return Path(location)
    url = urlsplit(location)
    return Path(url.path) if url.scheme == "file" else None


def _remote(location: str) -> tuple[Any, str]:
    from pyarrow import fs  # takes half a second, and paths do not need it

    system, root = fs.FileSystem.from_uri(location)
    return system, root


def _write_synced(file: Path, content: str) -> None:
    try:
        with file.open("x") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        file.unlink(missing_ok=True)
        raise


def _missing(directory: Path) -> tuple[str, ...]:
    """Directories of the path that do not exist, outermost first."""
    return tuple(str(place) for place in reversed((directory, *directory.parents)) if not place.exists())


def _unmake(directories: tuple[str, ...]) -> None:
    for directory in reversed(directories):
        try:
            Path(directory).rmdir()
        except OSError:
            return  # somebody has written into it meanwhile: it stays, and so do those around it


def _failed(verb: str, location: str, error: OSError | ValueError) -> OutputError:
    """The error as `what; remedy`."""
    place = shown(location)
    number = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(number) if number is not None else str(error).replace(location, place).replace("; ", ", ")
    what = f"cannot {verb} {place}: {reason}"
    if number in _FULL:
        return StorageFullError(f"{what}; free space there, or choose another storage")
    if number in _NOT_ALLOWED:
        return OutputError(f"{what}; give uid {os.getuid()} the right to, or choose another storage")
    return OutputError(f"{what}; mount or mend it on this machine, look at its credentials, or choose another storage")

"""A run's directory on any file system that pyarrow knows: a local path, or an s3:// or gs:// URL.

Names are relative and use `/`. A file written here is either whole or absent.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pyarrow import fs

from octupus.errors import OutputError


class Storage:
    """One directory. Every method raises OutputError, with the place and the system's reason, when storage fails."""

    def __init__(self, location: str) -> None:
        self.location = location
        try:
            if "://" in location:
                self._system, self._root = fs.FileSystem.from_uri(location)
            else:
                self._system, self._root = fs.LocalFileSystem(), str(Path(location).absolute())
        except (OSError, ValueError) as error:
            raise OutputError(f"cannot use {location} as storage: {error}") from error

    @property
    def local(self) -> Path | None:
        """The directory, when it is on a local (or mounted) file system."""
        return Path(self._root) if isinstance(self._system, fs.LocalFileSystem) else None

    def place(self, name: str = "") -> str:
        """What to call a file of this directory: its path or URL."""
        if "://" not in self.location:
            return posixpath.join(self.location, name) if name else self.location
        url = urlsplit(self.location)  # whose query, such as an S3 endpoint, stays behind the path
        return urlunsplit(url._replace(path=posixpath.join(url.path, name))) if name else self.location

    def read(self, name: str) -> bytes | None:
        """A file's content; None when there is no such file."""
        try:
            with self._system.open_input_stream(self._path(name)) as stream:
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", name, error) from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, replacing an earlier one."""
        try:
            if self.local is None:  # an object appears when its upload is complete
                with self._system.open_output_stream(self._path(name)) as stream:
                    stream.write(content)
                return
            path = self.local / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            partial.write_bytes(content)
            partial.replace(path)
        except OSError as error:
            raise self._failed("write", name, error) from error

    def sizes(self, directory: str = "") -> dict[str, int]:
        """Size in bytes of every file below `directory`, by its name relative to it; {} when there is none."""
        base = self._path(directory)
        try:
            found = self._system.get_file_info(fs.FileSelector(base, allow_not_found=True, recursive=True))
        except OSError as error:
            raise self._failed("list", directory, error) from error
        return {posixpath.relpath(info.path, base): info.size for info in found if info.type == fs.FileType.File}

    def directories(self) -> list[str]:
        """Names of the directories directly below this one, sorted."""
        try:
            found = self._system.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        except OSError as error:
            raise self._failed("list", "", error) from error
        return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

    def upload(self, source: Path, directory: str) -> None:
        """Copy the files below a local directory to `directory`."""
        try:
            if self.local is not None:
                self._system.create_dir(self._path(directory))
            fs.copy_files(str(source), self._path(directory), fs.LocalFileSystem(), self._system)
        except OSError as error:
            raise self._failed("write", directory, error) from error

    def download(self, directory: str, target: Path) -> None:
        """Copy the files of `directory` to a local directory."""
        try:
            fs.copy_files(self._path(directory), str(target), self._system, fs.LocalFileSystem())
        except OSError as error:
            raise self._failed("read", directory, error) from error

    def delete(self, directory: str) -> None:
        """Delete a directory with everything below it; nothing happens when there is none."""
        try:
            self._system.delete_dir(self._path(directory))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed("delete", directory, error) from error

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name) if name else self._root

    def _failed(self, verb: str, name: str, error: OSError) -> OutputError:
        return OutputError(f"cannot {verb} {self.place(name)}: {error}")

"""API keys: who may ask. Compared in constant time, read anew when their file changes, and never told to anyone."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from octupus.errors import ConfigError, RequestError
from octupus.serve.config import AccessConfig

LOOK_EVERY_S = 1.0
"""How long a look at the file counts: asking storage for every request would hold up all of them when it is slow."""

_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # Visible ASCII without the comma, which parts keys in the environment.
_BEARER = re.compile(rb"bearer +(\S+) *", re.IGNORECASE)

logger = logging.getLogger("octupus.serve.ingress.keys")

_Stamp = tuple[int, int, int]


class ApiKeys:
    """The keys that a configuration names. Without any, everyone may ask."""

    def __init__(
        self, access: AccessConfig, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ConfigError when a source is named and no key can be had from it."""
        self._file = access.api_keys_file
        self._clock = clock
        self._looked = clock()
        self._stamp: _Stamp | None = None
        self._from_file: list[bytes] = []
        self._from_environment: list[bytes] = []
        if access.api_keys_variable is not None:
            self._from_environment = _from_environment(access.api_keys_variable, environment)
        if self._file is not None:
            self._stamp = _stamp(self._file)
            self._from_file = _from_file(self._file)
        self.required = self._file is not None or access.api_keys_variable is not None

    def __repr__(self) -> str:
        return f"ApiKeys({len(self._from_file)} from a file, {len(self._from_environment)} from the environment)"

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """A short hash of the key in `Authorization: Bearer <key>`, for logs; None where none is required.

        Raises RequestError 401 (https://platform.openai.com/docs/guides/error-codes: `invalid_api_key`).
        """
        if not self.required:
            return None
        self._refresh()
        given = [value for name, value in headers if name == b"authorization"]
        match = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
        if match is None:
            raise _refused("send an API key as `Authorization: Bearer <key>`")
        digest = _digest(match[1])
        known = False
        for key in self._from_file + self._from_environment:
            # Every key is compared, whichever matched: time must not tell which one, nor how much of it.
            known |= hmac.compare_digest(key, digest)
        if not known:
            raise _refused("the API key is not among this server's keys")
        return hashlib.sha256(b"octupus key id " + match[1]).hexdigest()[:8]

    def _refresh(self) -> None:
        if self._file is None or self._clock() - self._looked < LOOK_EVERY_S:
            return
        self._looked = self._clock()
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._from_file = _from_file(self._file)
        except ConfigError as error:
            logger.error("api_keys_unreadable the last good keys stay valid: %s", error)
            return
        logger.info("api_keys_read keys=%d", len(self._from_file))


def _refused(message: str) -> RequestError:
    return RequestError(message, None, "invalid_api_key", 401, {"www-authenticate": 'Bearer realm="octupus"'})


def _stamp(file: Path) -> _Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _from_file(file: Path) -> list[bytes]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"access.api_keys_file: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Its text quotes the file, so it goes no further.
        raise ConfigError(f"access.api_keys_file: {file} is no UTF-8 text") from None
    numbered = ((f"{file}, line {number}", line.strip()) for number, line in enumerate(lines, 1))
    keys = [(place, line) for place, line in numbered if line and not line.startswith("#")]
    return _digests("access.api_keys_file", str(file), keys)


def _from_environment(variable: str, environment: Mapping[str, str]) -> list[bytes]:
    parts = [part.strip() for part in environment.get(variable, "").split(",")]
    keys = [(f"{variable}, key {number}", part) for number, part in enumerate(parts, 1) if part]
    return _digests("access.api_keys_variable", variable, keys)


def _digests(setting: str, source: str, keys: list[tuple[str, str]]) -> list[bytes]:
    if not keys:
        raise ConfigError(f"{setting}: {source} holds no key; add one, or leave the setting out to let everyone ask")
    for place, key in keys:
        if not _KEY.fullmatch(key):
            raise ConfigError(f"{setting}: {place}: a key is one word of visible ASCII characters without commas")
    return [_digest(key.encode()) for _, key in keys]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()

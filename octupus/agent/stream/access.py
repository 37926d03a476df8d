"""API keys of the agent: the same file or variable as the endpoint's, compared in constant time."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from octupus.agent.stream.config import AgentAccessConfig
from octupus.errors import ConfigError, RequestError

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


class ApiKeys:
    """The keys that a configuration names; without any, everyone may ask."""

    def __init__(self, access: AgentAccessConfig, environment: Mapping[str, str]) -> None:
        """Raises ConfigError when a source is named and holds no key."""
        self._file = access.api_keys_file
        self._variable = access.api_keys_variable
        self._environment = environment
        if self.required and not self._keys():
            source = self._file or self._variable
            raise ConfigError(f"access: {source} holds no API key; add one, or leave the setting out")

    @property
    def required(self) -> bool:
        """Whether a request needs a key."""
        return self._file is not None or self._variable is not None

    def check(self, authorization: str | None) -> None:
        """Raises RequestError 401 unless the header holds one of the keys, where one is required."""
        if not self.required:
            return
        match = _BEARER.fullmatch(authorization or "")
        if match is None:
            raise _refused("send an API key as `Authorization: Bearer <key>`")
        given = match[1].encode()
        known = False
        for key in self._keys():
            # Every key is compared, whichever matched: time must not tell which one, nor how much of it.
            known |= hmac.compare_digest(key.encode(), given)
        if not known:
            raise _refused("the API key is not among this server's keys")

    def _keys(self) -> list[str]:
        keys: list[str] = []
        if self._variable is not None:
            keys += [part.strip() for part in self._environment.get(self._variable, "").split(",")]
        if self._file is not None:
            try:
                lines = self._file.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                # The error's own words may quote the file.
                raise ConfigError(f"access.api_keys_file: {self._file}: {type(error).__name__}") from None
            keys += [line.strip() for line in lines if not line.lstrip().startswith("#")]
        return [key for key in keys if key]


def _refused(message: str) -> RequestError:
    return RequestError(message, None, "invalid_api_key", 401, {"www-authenticate": 'Bearer realm="octupus"'})

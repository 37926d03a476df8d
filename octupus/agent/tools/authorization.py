"""The Authorization header of a server of tools: taken from the environment, sent, and never shown."""

from __future__ import annotations

import json
import os
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from octupus.errors import ConfigError

_SHORTEST_TOKEN = 6
"""A shorter part of the header is no secret by itself, such as a scheme; hiding it would spoil results."""


class Authorization:
    """The value of an Authorization header, or that there is none."""

    def __init__(self, value: SecretStr | None) -> None:
        self._value = value
        whole = value.get_secret_value() if value else ""
        token = whole.rpartition(" ")[2]
        parts = [whole, *([token] if len(token) >= _SHORTEST_TOKEN else [])]
        escaped = [json.dumps(part)[1:-1] for part in parts]
        self._shown_as = sorted({part for part in (*parts, *escaped) if part}, key=len, reverse=True)

    @classmethod
    def from_environment(cls, variable: str | None) -> Self:
        """What the variable holds; none when no variable is named. Raises ConfigError, which never says the value."""
        if variable is None:
            return cls(None)
        value = os.environ.get(variable, "").strip()
        if not value:
            raise ConfigError(f"authorization_env is {variable}, which is not set; set it to the Authorization header")
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(f"{variable} holds a character that no HTTP header may have; set it anew")
        return cls(SecretStr(value))

    @property
    def headers(self) -> dict[str, str]:
        """The header as a client sends it."""
        return {"Authorization": self._value.get_secret_value()} if self._value else {}

    def redacted(self, text: str) -> str:
        """The text with `***` in place of the value: servers and errors may repeat what was sent."""
        for secret in self._shown_as:
            text = text.replace(secret, "***")
        return text


def checked_address(address: str, setting: str) -> str:
    """An http address without a password in it. Raises ConfigError, which does not repeat the address."""
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f"{setting} is no http or https address")
    if "@" in parts.netloc:
        raise ConfigError(f"{setting} has a user name in it, which would be logged; use authorization_env instead")
    return address


def origin(address: str) -> tuple[str, str, int]:
    """Scheme, host and port of an http address; of anything else something that equals no address's."""
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", address, 0

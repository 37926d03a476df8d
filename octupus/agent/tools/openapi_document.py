"""An OpenAPI document: read from a file or an http address, checked, and where it says its operations are."""

from __future__ import annotations

import asyncio
import datetime
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import yaml

from octupus.agent.tools.authorization import Authorization, checked_address, origin
from octupus.agent.tools.bounded_http import LeftHostError, TooLongError, exchange, open_client
from octupus.errors import ConfigError
from octupus.schema.validation import MAX_DEPTH, InvalidJsonError, parse_json

DOCUMENT_BYTES = 32 * 1024 * 1024
DOCUMENT_TIMEOUT_S = 30.0
DOCUMENT_VALUES = 2_000_000
"""YAML's aliases can say one thing very often; more values than this are no document."""

_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_address(place: str) -> bool:
    """Whether a document is fetched, not read from a file."""
    return place.lower().startswith(("http://", "https://"))


async def read_document(place: str, authorization: Authorization) -> dict[str, Any]:
    """The document at a path or an http address, JSON or YAML, of OpenAPI 3. Raises ConfigError."""
    if is_address(place):
        text = await _fetched(checked_address(place, "openapi"), authorization)
    else:
        text = _read_file(Path(place))
    document = _parsed(text, place)
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        found = f"swagger {document['swagger']}" if "swagger" in document else f"openapi: {version!r}"
        raise ConfigError(f"{place} is no OpenAPI 3 document ({found}); convert it to OpenAPI 3.0 or 3.1")
    if not isinstance(document.get("paths", {}), dict):
        raise ConfigError(f"{place}: `paths` must be a mapping of paths to operations")
    return document


def base_address(document: Mapping[str, Any], place: str, base_url: str | None) -> str:
    """Where operations are called, without a slash at the end.

    A document that was fetched may name its own host only: otherwise it could send the Authorization header anywhere.
    Raises ConfigError.
    """
    address = base_url or server_address(document.get("servers"), place)
    if address is None:
        raise ConfigError(f"{place} does not say on which host its operations are; set base_url")
    setting = "base_url" if base_url else f"the server that {place} names"
    checked_address(address, setting)
    if "?" in address or "#" in address:
        raise ConfigError(f"{setting} must end before any ? or #: paths of operations are put behind it")
    if base_url is None and is_address(place) and origin(address) != origin(place):
        raise ConfigError(f"{place} says that its operations are on another host, {address}; set base_url to allow it")
    return address.rstrip("/")


def server_address(servers: Any, place: str) -> str | None:
    """The address of the first of OpenAPI's `servers`, its variables at their defaults; None when it cannot be told."""
    first = servers[0] if isinstance(servers, list) and servers else {}
    if not isinstance(first, dict) or not isinstance(first.get("url", "/"), str):
        return None
    address: str = first.get("url", "/")
    variables = first.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict):
            address = address.replace("{" + name + "}", str(variable.get("default", "")))
    try:
        found = urljoin(place, address) if is_address(place) else address
    except ValueError:
        return None
    return found if is_address(found) else None


async def _fetched(place: str, authorization: Authorization) -> str:
    try:
        async with asyncio.timeout(DOCUMENT_TIMEOUT_S), open_client(authorization) as client:
            received = await exchange(client, client.build_request("GET", place), DOCUMENT_BYTES)
    except TimeoutError:
        raise ConfigError(f"{place} did not answer within {DOCUMENT_TIMEOUT_S:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, LeftHostError, TooLongError) as error:
        reason = authorization.redacted(str(error) or type(error).__name__)
        raise ConfigError(f"{place} cannot be fetched: {reason}") from None
    if received.status != 200:
        raise ConfigError(f"{place} cannot be fetched: HTTP status {received.status}")
    return received.text


def _read_file(path: Path) -> str:
    try:
        if path.stat().st_size > DOCUMENT_BYTES:
            raise ConfigError(f"{path} is longer than {DOCUMENT_BYTES} bytes; is it an OpenAPI document?")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the OpenAPI document {path} cannot be read: {error}") from error


def _parsed(text: str, place: str) -> dict[str, Any]:
    try:
        value = parse_json(text) if text.lstrip().startswith("{") else _plain(yaml.load(text, Loader=_YAML_LOADER))
    except (InvalidJsonError, yaml.YAMLError, ValueError, RecursionError) as error:
        where = f"{place}:{error.line}" if isinstance(error, InvalidJsonError) else place
        raise ConfigError(f"{where} is neither JSON nor YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{place} must hold a mapping, as OpenAPI documents do")
    return value


def _plain(value: Any) -> Any:
    """What YAML gives as JSON values: dates and keys as text, aliases written out. Raises ValueError."""
    left = DOCUMENT_VALUES

    def plain(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"it holds more than {DOCUMENT_VALUES} values")
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            return {_key(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item, depth + 1) for item in value]
        if isinstance(value, datetime.date):
            return value.isoformat()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        if value is None or isinstance(value, str | int | float):
            return value
        raise ValueError(f"a {type(value).__name__} is not JSON")

    return plain(value, 0)


def _key(key: Any) -> str:
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    return key if isinstance(key, str) else str(key)

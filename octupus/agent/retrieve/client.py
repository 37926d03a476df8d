"""Asks a served index for the tools that a query takes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import httpx

from octupus.endpoint.backoff import backoff_s
from octupus.errors import OctupusError

_ATTEMPTS = 5
_BACKOFF_BASE_S = 0.2
_MAX_BACKOFF_S = 5.0
_DETAIL_CHARACTERS = 300


class RetrieverError(OctupusError):
    """A retriever cannot be reached, or refuses a request."""


class RetrieverClient:
    """`retrieve` is what an open-domain solver takes.

    One client belongs to one event loop. What fails for the moment is sent again after a wait.
    """

    def __init__(self, url: str, timeout_s: float = 30.0, only: Collection[str] | None = None) -> None:
        """`url` is where the application stands, with or without /retrieve; `only` names the tools to choose from."""
        self._url = url.rstrip("/").removesuffix("/retrieve") + "/retrieve"
        self._only = None if only is None else list(only)
        self._client = httpx.AsyncClient(timeout=timeout_s)

    async def retrieve(self, query: str, top_k: int) -> list[str]:
        """Ids of the best documents, the best first. Raises RetrieverError when none come."""
        body: dict[str, Any] = {"query": query, "top_k": top_k}
        if self._only is not None:
            body["only"] = self._only
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(backoff_s(attempt - 1, _BACKOFF_BASE_S, _MAX_BACKOFF_S))
            try:
                answer = await self._client.post(self._url, json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code == 200:
                return _ids(answer)
            problem = f"status {answer.status_code}: {answer.text[:_DETAIL_CHARACTERS]}"
            if answer.status_code != 429 and answer.status_code < 500:
                break
        raise RetrieverError(f"the retriever at {self._url} gives no tools: {problem}")

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def _ids(answer: httpx.Response) -> list[str]:
    try:
        return [str(document["id"]) for document in answer.json()["documents"]]
    except (ValueError, KeyError, TypeError) as error:
        raise RetrieverError(
            f"{answer.url} is no retriever: its answer is {answer.text[:_DETAIL_CHARACTERS]}"
        ) from error

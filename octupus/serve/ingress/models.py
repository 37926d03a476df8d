"""The models that clients may name: the one served, and its adapters as `<id>:<adapter>`."""

from __future__ import annotations

from typing import Any

from octupus.errors import RequestError
from octupus.serve.config import ServeConfig
from octupus.serve.engine.adapters import Adapters


class ServedModels:
    """What `model` may be. Adapters are looked up anew each time, so that new ones need no restart."""

    def __init__(self, config: ServeConfig, started: int, dialect: str, max_model_len: int) -> None:
        self._id = config.model.id
        self._card = {"object": "model", "created": started, "owned_by": "octupus"}
        self._card |= {"max_model_len": max_model_len, "dialect": dialect}
        directory = config.adapters.directory
        self._adapters = None if directory is None else Adapters(directory)

    def adapter_of(self, model: str) -> str | None:
        """The adapter that `model` names, None for the model itself. Raises RequestError with status 404."""
        name, _, adapter = model.partition(":")
        if name == self._id and not adapter:
            return None
        if name != self._id or self._adapters is None or adapter not in self._adapters.names():
            known = ", ".join(repr(known) for known in self.names())
            message = f"model {model!r} is not served here; this server has {known}"
            raise RequestError(message, "model", "model_not_found", status=404)
        return adapter

    def names(self) -> list[str]:
        """Every name that `model` may be."""
        adapters = [] if self._adapters is None else self._adapters.names()
        return [self._id, *(f"{self._id}:{adapter}" for adapter in adapters)]

    def listed(self, name: str) -> dict[str, Any]:
        """The model as /v1/models shows it. Raises RequestError with status 404."""
        adapter = self.adapter_of(name)
        parent = {} if adapter is None else {"parent": self._id}
        return {"id": name} | self._card | parent

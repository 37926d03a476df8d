"""Tools that are executed: the interface of a stateful environment, and environments made of Python classes.

Only the configuration names a class, never a corpus. It runs in the job's own process: name no class that may do harm.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic_core import PydanticSerializationError, to_jsonable_python

from octupus.errors import ConfigError

STATE = "state"


class Environment(Protocol):
    """What tools act upon."""

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The tool's result as a JSON value. What goes wrong is a result, too: `{"error": ...}`."""
        ...

    def state(self) -> Any:
        """All that calls may have changed, as a JSON value."""
        ...


MakeEnvironment = Callable[[Any], Environment]
"""A fresh environment in the given initial state, or in its usual one for None."""


class PythonEnvironment:
    """An object whose public methods are the tools.

    Its state is what its method `state()` gives, or without one its public attributes.
    """

    def __init__(self, instance: object) -> None:
        self._instance = instance

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The method's result. A method that does not exist, or raises, gives `{"error": ...}`."""
        method = None if name.startswith("_") or name == STATE else getattr(self._instance, name, None)
        if not inspect.ismethod(method):
            return {"error": f"there is no tool {name}"}
        try:
            return to_jsonable_python(method(**arguments))
        except PydanticSerializationError as error:
            raise ConfigError(f"{self._name()}.{name} returned what is no JSON: {error}") from error
        except Exception as error:  # noqa: BLE001  # a tool may raise anything, and the model is told
            return {"error": f"{type(error).__name__}: {error}"}

    def state(self) -> Any:
        """Raises ConfigError when it is no JSON."""
        own = getattr(self._instance, STATE, None)
        try:
            if inspect.ismethod(own):
                return to_jsonable_python(own())
            public = {name: value for name, value in vars(self._instance).items() if not name.startswith("_")}
            return to_jsonable_python(public)
        except PydanticSerializationError as error:
            raise ConfigError(
                f"the state of {self._name()} is no JSON: {error}; give the class a method `state` that returns it"
            ) from error

    def _name(self) -> str:
        return type(self._instance).__name__


def load_environment(python_class: str) -> MakeEnvironment:
    """Environments of a class that is named as module:Class.

    The class is called without arguments; where a conversation brings an initial state, with that as its keyword
    argument `initial_state`. Raises ConfigError when there is no such class.
    """
    module_name, _, class_name = python_class.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ImportError as error:
        raise ConfigError(f"environment.python_class {python_class}: {error}; correct the module's name") from error
    if not inspect.isclass(found):
        raise ConfigError(f"environment.python_class {python_class}: {module_name} has no class {class_name}")

    construct: Callable[..., object] = found

    def make(initial_state: Any) -> Environment:
        return PythonEnvironment(construct() if initial_state is None else construct(initial_state=initial_state))

    return make

from typing import Any

import pytest

from octupus.errors import ConfigError
from octupus.evaluate.calls.environment import PythonEnvironment, load_environment

from .conversations import Bank

CLASS = f"{Bank.__module__}:Bank"


def test_public_methods_are_tools_and_public_attributes_the_state() -> None:
    environment = load_environment(CLASS)(None)
    assert environment.state() == {"total": 0}
    assert environment.call("deposit", {"amount": 5}) is None
    assert environment.call("balance", {}) == 5
    assert environment.state() == {"total": 5}


def test_environments_are_fresh_and_begin_where_they_are_told() -> None:
    make = load_environment(CLASS)
    make(None).call("deposit", {"amount": 5})
    assert make(None).state() == {"total": 0}
    assert make(3).state() == {"total": 3}


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("withdraw", {}, "no tool withdraw"),
        ("total", {}, "no tool total"),
        ("_calls", {}, "no tool _calls"),
        ("__init__", {"initial_state": 9}, "no tool __init__"),
        ("deposit", {"sum": 5}, "TypeError"),
        ("deposit", {"amount": -1}, "ValueError: a deposit is positive"),
    ],
)
def test_what_goes_wrong_is_a_result(name: str, arguments: dict[str, Any], said: str) -> None:
    environment = PythonEnvironment(Bank())
    result = environment.call(name, arguments)
    assert said in result["error"]
    assert environment.state() == {"total": 0}


class Odd:
    def state(self) -> Any:
        return {"own": 1}

    def strange(self) -> object:
        return object()


class Opaque:
    def __init__(self) -> None:
        self.thing = object()


def test_a_state_of_its_own_is_taken_and_is_no_tool() -> None:
    environment = PythonEnvironment(Odd())
    assert environment.state() == {"own": 1}
    assert "no tool state" in environment.call("state", {})["error"]


def test_what_is_no_json_is_the_fault_of_the_class() -> None:
    with pytest.raises(ConfigError, match=r"Odd\.strange"):
        PythonEnvironment(Odd()).call("strange", {})
    with pytest.raises(ConfigError, match="method `state`"):
        PythonEnvironment(Opaque()).state()


@pytest.mark.parametrize("named", ["no.such.module:Bank", "json:Bank", "json:loads"])
def test_a_class_that_is_none_is_refused(named: str) -> None:
    with pytest.raises(ConfigError, match=named.partition(":")[0]):
        load_environment(named)

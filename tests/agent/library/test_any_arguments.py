"""Every tool of the library on arguments that its schema admits, likely ones and odd ones."""

import copy
import linecache
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.agent.library.catalogue import MODULES

from .modules import STATEFUL, Known, arguments_for, json_of, likely, load, parameters_of, run, tools_of


@pytest.mark.parametrize("name", MODULES)
@settings(max_examples=max(12, settings().max_examples // 4))
@given(data=st.data())
def test_any_arguments_give_json_or_say_what_is_wrong_and_change_nothing(name: str, data: st.DataObject) -> None:
    state = load(name).initial_state(data.draw(st.integers(0, 5))) if name in STATEFUL else None
    tools = tools_of(name)
    for _ in range(3):
        function = data.draw(st.sampled_from(list(tools)))
        known = Known(state)
        arguments = {
            key: data.draw(arguments_for(kind, key, description, known), label=f"{function}.{key}")
            for key, (kind, required, description) in parameters_of(tools[function]).items()
            if required or data.draw(st.booleans())
        }
        before = copy.deepcopy(state)
        failure = None
        try:
            json_of(run(name, function, copy.deepcopy(arguments), state))
        except ValueError as error:
            failure = error
        json_of(state)
        if failure is not None:
            assert type(failure) is ValueError
            assert len(str(failure)) > 10
            assert line_of(failure).startswith("raise ValueError"), "not the module's own words"
        if failure or function.startswith(("list_", "find_", "get_", "search_", "compare_", "show_")):
            assert state == before


def line_of(error: BaseException) -> str:
    """The source line that raised."""
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip()


@pytest.mark.parametrize("name", MODULES)
def test_every_tool_can_succeed_and_a_walk_can_be_repeated(name: str) -> None:
    def walk() -> tuple[set[str], list[str]]:
        draw = random.Random(name)
        succeeded, results = set(), []
        tools = tools_of(name)
        parameters = {function: parameters_of(tool) for function, tool in tools.items()}
        for seed in range(3):
            state = load(name).initial_state(seed) if name in STATEFUL else None
            for _ in range(100):
                function = draw.choice(sorted(tools))
                known = Known(state)
                arguments = {
                    key: draw.choice(likely(kind, key, description, known))
                    for key, (kind, required, description) in parameters[function].items()
                    if required or draw.random() < 0.5
                }
                try:
                    results.append(json_of(run(name, function, arguments, state)))
                except ValueError as error:
                    results.append(str(error))
                else:
                    succeeded.add(function)
        return succeeded, results

    succeeded, results = walk()
    assert succeeded == set(tools_of(name))
    assert walk() == (succeeded, results)

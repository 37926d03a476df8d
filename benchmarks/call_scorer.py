"""The call scorer against bfcl-eval's own checker: recorded answers and mutants of each, judged by both.

    python benchmarks/call_scorer.py --python /path/of/bfcl/bin/python [--answers 2000] [--mutants 10] [--seed 0]
        [--drawn 20000]

--python is the interpreter of an environment in which bfcl-eval 2026.3.23 is installed; its checker runs there, in one
process, and never in this one. An answer takes one admissible value of each argument of a ground truth of
simple_python, multiple, parallel, parallel_multiple and their live_ kin, drawn by the seed; with more answers than
ground truths, each is drawn several times. A mutant changes an answer in one place (`_MUTATIONS`); its text is another
one, and it may be as right as before. --drawn adds so many cases in which tool, ground truth and answer are all drawn
from a few odd values, as no data set has them.

Printed is a table by category and by mutation of how often both agree, how often both say right, and then every
disagreement; the exit code is 1 if there is any. Where their checker raises, it has no opinion: such cases are counted
apart.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from octupus.evaluate.calls.ast_rules import AdmissibleCall, MadeCall, check_calls

CATEGORIES = (
    "simple_python",
    "multiple",
    "parallel",
    "parallel_multiple",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
)
# A name whose tools keep the dots in their names.
MODEL = "openbmb/MiniCPM-SALA-FC"

_THEIR_CHECKER = """
import json, sys
from bfcl_eval.constants.enums import Language
from bfcl_eval.constants.model_config import MODEL_CONFIG_MAPPING
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker
model = sys.argv[1]
MODEL_CONFIG_MAPPING[model].underscore_to_dot = False
for line in sys.stdin:
    case = json.loads(line)
    try:
        result = ast_checker(
            case["tools"], case["calls"], case["truth"], Language.PYTHON, case["category"], model
        )
        print(json.dumps(["right" if result["valid"] else "wrong", str(result.get("error_type", ""))]))
    except Exception as error:
        print(json.dumps(["raised", type(error).__name__ + ": " + str(error)]))
"""

Calls = list[dict[str, dict[str, Any]]]
"""BFCL's own form: an object with one key a call."""


@dataclass(frozen=True)
class Case:
    """One answer to one ground truth."""

    category: str
    mutation: str
    tools: list[dict[str, Any]]
    truth: Calls
    calls: Calls


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="interpreter of the environment with bfcl-eval")
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--mutants", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drawn", type=int, default=20000)
    parser.add_argument("--show", type=int, default=20, help="disagreements printed in full")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        # bfcl-eval makes directories under its root when it is imported.
        environment = {**os.environ, "BFCL_PROJECT_ROOT": root}
        data = _data_directory(options.python, environment)
        cases = list(_cases(data, options.answers, options.mutants, Random(options.seed)))
        cases += [_drawn(Random(f"{options.seed} {number}")) for number in range(options.drawn)]
        theirs = _judged_by_them(options.python, environment, cases)
    ours = [_judged_by_us(case) for case in cases]
    return _print(cases, ours, theirs, options.show)


_TYPES = ("string", "integer", "float", "boolean", "dict", "any")
_TEXTS = ("", "a", "A", "a b", "A,b", "it's", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}")
_VALUES: tuple[Any, ...] = (*_TEXTS, 0, 1, 1.0, 0.5, True, False, None, [], {}, 2**53 + 1, [""], [[]])
_LISTS: tuple[Any, ...] = (["a"], ["A", "b."], [1], [1.0, 2], [True], [None], ["a", 1], [["a"]], [{}])
_OBJECTS: tuple[Any, ...] = ({"k": "a"}, {"k": "A."}, {"k": 1, "l": ["a"]}, {"l": {"m": 1}}, {"k": ""}, {"l": None})
_ADMITTED_OBJECTS: tuple[Any, ...] = (
    {"k": ["a", ""]},
    {"k": ["a"]},
    {"k": [1, "a"], "l": [["a"], ""]},
    {"l": [{"m": 1}, None]},
    {"k": "a", "l": [""]},
    {"k": []},
)


def _drawn(random: Random) -> Case:
    """One tool, one to three expected calls and about as many made, all of it drawn."""
    values = [*_VALUES, *_LISTS, *_OBJECTS, *([each, other] for each in _OBJECTS[:3] for other in _OBJECTS[:3])]
    values += [[each] for each in _OBJECTS]
    options = [*_VALUES, *_LISTS, *_ADMITTED_OBJECTS, *([each] for each in _ADMITTED_OBJECTS), _ADMITTED_OBJECTS[:2]]
    properties = {}
    for name in "xyz"[: random.randint(1, 3)]:
        of = random.choice((*_TYPES, "array", "array", "tuple"))
        properties[name] = {"type": of, "items": {"type": random.choice(_TYPES)}}
    required = [name for name in properties if random.random() < 0.3]
    tool = {"name": "f", "parameters": {"type": "dict", "properties": properties, "required": required}}
    truth: Calls = [
        {"f": {name: random.sample(options, random.choice((0, 1, 1, 1, 2, 2, 3))) for name in properties}}
        for _ in range(random.choice((1, 1, 2, 3)))
    ]
    calls: Calls = []
    for expected in truth:
        made = {}
        for name, admitted in expected["f"].items():
            near = _unfolded(random.choice(admitted), random) if admitted and random.random() < 0.7 else None
            made[name] = near if near is not None else random.choice(values)
            if random.random() < 0.2:
                del made[name]
        calls.append({"f": made})
    if random.random() < 0.3:
        random.shuffle(calls)
    return Case("parallel", "drawn", [tool], json.loads(json.dumps(truth)), json.loads(json.dumps(calls)))


def _data_directory(python: Path, environment: dict[str, str]) -> Path:
    command = [python, "-c", "import bfcl_eval, pathlib; print(pathlib.Path(bfcl_eval.__file__).parent / 'data')"]
    found = subprocess.run(command, env=environment, check=True, text=True, capture_output=True)
    return Path(found.stdout.strip())


def _cases(data: Path, answers: int, mutants: int, random: Random) -> Iterator[Case]:
    truths = [
        (category, question["function"], truth["ground_truth"])
        for category in CATEGORIES
        for question, truth in zip(
            _lines(data / f"BFCL_v4_{category}.json"),
            _lines(data / "possible_answer" / f"BFCL_v4_{category}.json"),
            strict=True,
        )
    ]
    drawn = random.sample(truths, len(truths))
    for number in range(answers):
        category, tools, truth = drawn[number % len(drawn)]
        calls: Calls = [{name: _answer(given, random)} for call in truth for name, given in call.items()]
        yield Case(category, "none", tools, truth, calls)
        for name, mutant in _mutants(calls, tools, mutants, random):
            yield Case(category, name, tools, truth, mutant)


def _mutants(calls: Calls, tools: list[dict[str, Any]], count: int, random: Random) -> Iterator[tuple[str, Calls]]:
    """So many mutants, each by another mutation where there are enough of them, and each another text than `calls`."""
    names = cycle(random.sample(list(_MUTATIONS), len(_MUTATIONS)))
    before = json.dumps(calls)
    while count:
        name = next(names)
        mutant = copy.deepcopy(calls)
        _MUTATIONS[name](mutant, tools, random)
        if json.dumps(mutant) != before:
            count -= 1
            yield name, mutant


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _answer(given: dict[str, Any], random: Random) -> dict[str, Any]:
    """Arguments with one admissible value each; what may be left out sometimes is."""
    arguments = {}
    for name, options in given.items():
        value = random.choice(options or [""])  # one ground truth admits nothing
        if value == "" and (len(options) > 1 or random.random() < 0.9):
            continue
        arguments[name] = _unfolded(value, random)
    return arguments


def _unfolded(value: Any, random: Random) -> Any:
    """A value of the ground truth as a model would write it: objects list the admissible values of their keys."""
    if isinstance(value, list):
        return [_unfolded(item, random) for item in value]
    if isinstance(value, dict):
        chosen = {key: random.choice(each) if isinstance(each, list) and each else each for key, each in value.items()}
        return {key: each for key, each in chosen.items() if each != "" or random.random() < 0.1}
    return value


# Mutations: each changes `calls` in place, and does nothing where it finds nothing to change.


def _arguments(calls: Calls, random: Random) -> dict[str, Any]:
    return next(iter(random.choice(calls).values())) if calls else {}


def _drop_argument(calls: Calls, tools: Any, random: Random) -> None:
    arguments = _arguments(calls, random)
    if arguments:
        del arguments[random.choice(list(arguments))]


def _add_argument(calls: Calls, tools: Any, random: Random) -> None:
    """An undeclared argument, or a declared one that may be beside the truth."""
    declared = [name for tool in tools for name in tool["parameters"]["properties"]]
    name = random.choice([*declared, "undeclared"])
    _arguments(calls, random).setdefault(name, random.choice(["", "text", 1, 1.0, True, None, [], {}, ["a"]]))


def _rename_argument(calls: Calls, tools: Any, random: Random) -> None:
    arguments = _arguments(calls, random)
    if arguments:
        name = random.choice(list(arguments))
        arguments[random.choice([name.upper(), name + "_", name[:-1]])] = arguments.pop(name)


def _wrong_type(calls: Calls, tools: Any, random: Random) -> None:
    arguments = _arguments(calls, random)
    if arguments:
        name = random.choice(list(arguments))
        value = arguments[name]
        others = [str(value), [value], {"value": value}, None, True, 0, 1, 0.5, "", [], {}, [""], [None], [1], [{}]]
        arguments[name] = random.choice(others)


def _integer_or_float(calls: Calls, tools: Any, random: Random) -> None:
    """Every number of a call the other way: 5 for 5.0 and 5.0 for 5; booleans as numbers."""

    def other(value: Any) -> Any:
        if isinstance(value, list):
            return [other(item) for item in value]
        if isinstance(value, dict):
            return {key: other(each) for key, each in value.items()}
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, int):
            return float(value)
        return int(value) if isinstance(value, float) else value

    _replace(_arguments(calls, random), other)


def _case_and_punctuation(calls: Calls, tools: Any, random: Random) -> None:
    changes: list[Callable[[str], str]] = [
        str.upper,
        str.lower,
        str.title,
        lambda text: text.replace(" ", "_"),
        lambda text: text.replace(",", "").replace(".", ""),
        lambda text: text.replace("'", '"'),
        lambda text: text.replace('"', "'"),
        lambda text: f" *{text}^- ",
        lambda text: text + "!",
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("-", "\N{EN DASH}"),
    ]

    def changed(value: Any) -> Any:
        if isinstance(value, list):
            return [changed(item) for item in value]
        if isinstance(value, dict):
            return {key: changed(each) for key, each in value.items()}
        return random.choice(changes)(value) if isinstance(value, str) else value

    _replace(_arguments(calls, random), changed)


def _replace(arguments: dict[str, Any], change: Callable[[Any], Any]) -> None:
    for name, value in arguments.items():
        arguments[name] = change(value)


def _reorder_calls(calls: Calls, tools: Any, random: Random) -> None:
    random.shuffle(calls)


def _drop_call(calls: Calls, tools: Any, random: Random) -> None:
    calls.pop(random.randrange(len(calls)))


def _add_call(calls: Calls, tools: Any, random: Random) -> None:
    calls.insert(random.randrange(len(calls) + 1), copy.deepcopy(random.choice(calls)))


def _replace_call(calls: Calls, tools: Any, random: Random) -> None:
    """One call twice and another missing: the count is right."""
    calls[random.randrange(len(calls))] = copy.deepcopy(random.choice(calls))


def _rename_tool(calls: Calls, tools: Any, random: Random) -> None:
    place = random.randrange(len(calls))
    ((name, arguments),) = calls[place].items()
    renamed = random.choice([*(tool["name"] for tool in tools), name.upper(), name.replace(".", "_"), name + "_2"])
    calls[place] = {renamed: arguments}


def _nested(calls: Calls, tools: Any, random: Random) -> None:
    """A change inside a list or an object; where a call has neither, the value in a list."""
    arguments = _arguments(calls, random)
    inner = [name for name, value in arguments.items() if isinstance(value, list | dict) and value]
    if not inner:
        for name, value in arguments.items():
            arguments[name] = [value]
        return
    container = arguments[random.choice(inner)]
    if isinstance(container, list):
        place = random.randrange(len(container))
        match random.randrange(6):
            case 0:
                container.pop(place)
            case 1:
                container.append(copy.deepcopy(container[place]))
            case 2:
                container.reverse()
            case 3:
                container[place] = random.choice([None, 1, "text", 1.5, {}, [], True])
            case 4 if isinstance(container[place], dict):
                _change_object(container[place], random)
            case _:
                container[place] = [container[place]]
    else:
        _change_object(container, random)


def _change_object(value: dict[str, Any], random: Random) -> None:
    key = random.choice(list(value)) if value else "key"
    match random.randrange(4):
        case 0:
            value.pop(key, None)
        case 1:
            value["undeclared"] = 1
        case 2:
            value[key] = random.choice([None, 1, "text", 1.5, {}, [], True])
        case _:
            value[key] = [value.get(key)]


_MUTATIONS: dict[str, Callable[[Calls, Any, Random], None]] = {
    "drop argument": _drop_argument,
    "add argument": _add_argument,
    "rename argument": _rename_argument,
    "wrong type": _wrong_type,
    "integer or float": _integer_or_float,
    "case and punctuation": _case_and_punctuation,
    "reorder calls": _reorder_calls,
    "drop call": _drop_call,
    "add call": _add_call,
    "replace call": _replace_call,
    "rename tool": _rename_tool,
    "nested": _nested,
}


def _judged_by_them(python: Path, environment: dict[str, str], cases: list[Case]) -> list[tuple[str, str]]:
    lines = "".join(
        json.dumps({"category": case.category, "tools": case.tools, "truth": case.truth, "calls": case.calls}) + "\n"
        for case in cases
    )
    command = [python, "-c", _THEIR_CHECKER, MODEL]
    judged = subprocess.run(command, env=environment, input=lines, check=True, text=True, stdout=subprocess.PIPE)
    verdicts = [tuple(json.loads(line)) for line in judged.stdout.splitlines()[-len(cases) :]]
    assert len(verdicts) == len(cases), f"{len(verdicts)} verdicts on {len(cases)} cases"
    return verdicts


def _judged_by_us(case: Case) -> tuple[str, str]:
    verdict = check_calls(
        [MadeCall(name, arguments) for call in case.calls for name, arguments in call.items()],
        [AdmissibleCall(name, given) for call in case.truth for name, given in call.items()],
        {tool["name"]: tool["parameters"] for tool in case.tools},
    )
    return "right" if verdict.right else "wrong", f"{verdict.mismatch or ''} {verdict.detail}"


def _print(cases: list[Case], ours: list[tuple[str, str]], theirs: list[tuple[str, str]], show: int) -> int:
    rows: dict[str, Counter[str]] = {}
    disagreements = []
    for case, (our, our_detail), (their, their_detail) in zip(cases, ours, theirs, strict=True):
        agree = their in (our, "raised")
        for row in ("drawn" if case.mutation == "drawn" else case.category, f"mutation: {case.mutation}", "all"):
            outcome = ("raised" if their == "raised" else f"both {our}") if agree else "disagree"
            rows.setdefault(row, Counter())[outcome] += 1
        if not agree:
            disagreements.append((case, our, our_detail, their, their_detail))
    columns = ("both right", "both wrong", "raised", "disagree")
    print(f"{'':30}{'cases':>9}" + "".join(f"{column:>12}" for column in columns))
    for row in sorted(rows, key=lambda row: (row == "all", row.startswith("mutation"), row)):
        print(f"{row:30}{rows[row].total():9}" + "".join(f"{rows[row][column]:12}" for column in columns))
    print("\nraised: their checker ends in an exception and has no opinion")
    for case, our, our_detail, their, their_detail in disagreements[:show]:
        print(f"\n{case.category}, {case.mutation}: ours {our} ({our_detail}), theirs {their} ({their_detail})")
        print(f"  calls {json.dumps(case.calls, ensure_ascii=False)}")
        print(f"  truth {json.dumps(case.truth, ensure_ascii=False)}")
    print(f"\n{len(disagreements)} disagreements in {len(cases)} cases")
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())

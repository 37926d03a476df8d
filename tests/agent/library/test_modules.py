"""What holds for every module of the library: seeded states, descriptions, ids, data, and no way out."""

import ast
import importlib.util
import inspect
import json
import sys
from pathlib import Path

import pytest

import octupus.agent.library
from octupus.agent.library.catalogue import MODULES, path_of
from octupus.agent.tools.signature import signature_of

from .modules import STATEFUL, json_of, load, parameters_of, tools_of

DATA = Path(octupus.agent.library.__file__).parent / "data"


def test_there_are_modules_enough_and_none_is_imported_to_tell() -> None:
    assert len(MODULES) >= 22
    assert list(MODULES) == sorted(MODULES)
    assert all(path_of(name).is_file() for name in MODULES)
    assert "catalogue" not in MODULES
    with pytest.raises(KeyError):
        path_of("catalogue")
    assert not [
        name for name in sys.modules if name.startswith("octupus.agent.library.") and not name.endswith("catalogue")
    ]


def test_names_of_tools_are_unique_over_all_modules() -> None:
    names = [tool for name in MODULES for tool in tools_of(name)]
    assert len(names) == len(set(names))
    assert all(2 <= len(tools_of(name)) <= 7 for name in MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_a_model_must_know(name: str) -> None:
    assert isinstance(load(name).CATEGORY, str)
    assert load(name).CATEGORY
    for tool in tools_of(name).values():
        lines = (inspect.getdoc(tool) or "").splitlines()
        assert lines[0].endswith("."), tool
        assert 10 <= len(lines[0]) <= 200, tool
        documented = parameters_of(tool)
        assert all(text.endswith(".") for _, _, text in documented.values()), tool
        signature = signature_of(tool)
        assert signature.description == lines[0]
        described = {key: schema.get("description") for key, schema in signature.parameters["properties"].items()}
        assert described == {key: text for key, (_, _, text) in documented.items()}
        assert signature.stateful == ("state" in inspect.signature(tool).parameters)
        assert signature.parameters["required"] == [key for key, (_, required, _) in documented.items() if required]


@pytest.mark.parametrize("name", STATEFUL)
def test_a_state_follows_from_its_seed_alone_and_is_json(name: str) -> None:
    initial_state = load(name).initial_state
    states = [json_of(initial_state(seed)) for seed in range(20)]
    assert states == [json_of(initial_state(seed)) for seed in range(20)]
    assert len(set(states)) == 20
    assert json_of(initial_state(2**70))
    assert max(map(len, states)) < 40_000


def test_a_module_without_a_state_has_no_function_that_takes_one() -> None:
    for name in set(MODULES) - set(STATEFUL):
        assert not any("state" in inspect.signature(tool).parameters for tool in tools_of(name).values())


def test_records_have_ids_that_are_theirs_alone() -> None:
    for name in STATEFUL:
        for seed in range(5):
            for key, records in load(name).initial_state(seed).items():
                if isinstance(records, list) and records and isinstance(records[0], dict) and "id" in records[0]:
                    ids = [record["id"] for record in records]
                    assert len(set(ids)) == len(ids), (name, key)


def test_all_modules_agree_on_when_now_is() -> None:
    for seed in (0, 7, 1234):
        states = [load(name).initial_state(seed) for name in STATEFUL]
        assert len({state["now"] for state in states if "now" in state}) == 1


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_the_standard_library_only_and_opens_nothing_but_its_data(name: str) -> None:
    tree = ast.parse(path_of(name).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert imported <= sys.stdlib_module_names
    pure = {"__future__", "collections", "datetime", "difflib", "json", "math", "operator", "pathlib", "random", "re"}
    assert imported <= pure | {"statistics", "typing"}
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    bare = {function.id for function in called if isinstance(function, ast.Name)}
    assert not bare & {"open", "eval", "exec", "compile", "__import__", "input", "print", "getattr", "setattr"}
    methods = {function.attr for function in called if isinstance(function, ast.Attribute)}
    assert not methods & {
        "open",
        "write_text",
        "write_bytes",
        "read_bytes",
        "unlink",
        "today",
        "now",
        "utcnow",
        "shuffle",
    }
    reads = [ast.unparse(node) for node in called_nodes(tree, "read_text")]
    assert all("'data'" in read or read.startswith("(_DATA / ") for read in reads)
    assert all(node.attr == "Random" for node in random_uses(tree))


def called_nodes(tree: ast.AST, method: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == method]


def random_uses(tree: ast.AST) -> list[ast.Attribute]:
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [node for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "random"]


def test_only_initial_states_draw_at_random() -> None:
    for name in MODULES:
        tree = ast.parse(path_of(name).read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        drawing = {function.name for function in functions if random_uses(function)}
        assert drawing == ({"initial_state"} if name in STATEFUL else set()), name


def test_all_data_is_json_that_a_module_reads() -> None:
    sources = "".join(path_of(name).read_text(encoding="utf-8") for name in MODULES)
    for path in DATA.iterdir():
        assert path.suffix == ".json"
        assert json.loads(path.read_text(encoding="utf-8"))
        assert f'"{path.name}"' in sources


def test_modules_are_found_in_an_installed_copy_too(tmp_path: Path) -> None:
    for path in [*(path_of(name) for name in MODULES), path_of("mail").with_name("catalogue.py")]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spec = importlib.util.spec_from_file_location("catalogue_copy", tmp_path / "catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    copied = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copied)
    assert copied.MODULES == MODULES
    assert copied.path_of("mail").parent == tmp_path

"""Configuration of every job and deployment: pydantic models, YAML files, dotted flags.

    config = load(StageConfig, default_file=Path("jobs/train_stg1.yaml"))

Values come from the models' defaults, then the YAML files named on the command line (or the job's own file), then
`--dotted.flags`. Unknown keys are errors that name the nearest known one. `--help` prints each field with the
docstring below it; `--dry-run` prints the resolved configuration as JSON; both exit 0 and import nothing heavy.
"""

from __future__ import annotations

import difflib
import json
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from octupus.errors import ConfigError


class StrictModel(BaseModel):
    """Base of every configuration: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        protected_namespaces=(),
    )


Model = TypeVar("Model", bound=BaseModel)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, except that a key written twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"{node.start_mark.name}:{line}: key {key!r} is written twice; keep one of them")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises ConfigError when the file is missing, is not YAML, or holds something else than a mapping.
    """
    if not path.is_file():
        raise ConfigError(f"configuration file {path} does not exist")
    with path.open(encoding="utf-8") as stream:
        try:
            value = yaml.load(stream, Loader=_UniqueKeyLoader)  # a SafeLoader: builds plain values only
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must hold a mapping of keys to values, not a {type(value).__name__}")
    return value


def resolve(model: type[Model], values: dict[str, Any], origin: str = "configuration") -> Model:
    """Validate plain values as `model`; `origin` says in errors where they came from. Raises ConfigError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(model, detail, origin) for detail in error.errors())) from error


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is probably a typo of."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def changed_settings(recorded: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is other now than when something was begun, a text for each setting with both of its values."""
    return [
        f"{name} was {json.dumps(recorded.get(name))} and is now {json.dumps(given.get(name))}"
        for name in sorted(recorded.keys() | given.keys())
        if recorded.get(name) != given.get(name)
    ]


def load(model: type[Model], default_file: Path | None = None, arguments: Sequence[str] | None = None) -> Model:
    """Read a job's configuration from its command line, as the module docstring says.

    `default_file` is used when the command line names no YAML file. Handles `--help` and `--dry-run` by printing
    and exiting 0; a ConfigError is printed as one line and exits 2, so job scripts need no error handling of their own.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "--help" in arguments or "-h" in arguments:
        print(help_text(model, default_file))
        raise SystemExit(0)
    try:
        config = _load(model, default_file, [argument for argument in arguments if argument != "--dry-run"])
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    if "--dry-run" in arguments:
        print(config.model_dump_json(indent=2))
        raise SystemExit(0)
    return config


def help_text(model: type[BaseModel], default_file: Path | None = None) -> str:
    """What `--help` prints: one line a field, with type, default and docstring."""
    default = f" (default: {default_file})" if default_file else ""
    lines = [
        (model.__doc__ or model.__name__).strip(),
        "",
        f"usage: [FILE.yaml ...]{default} [--dotted.flag VALUE ...] [--dry-run] [--help]",
        "",
    ]
    for name, field in _fields(model):
        default = (
            "required" if field.is_required() else f"default {_shown(field.get_default(call_default_factory=True))}"
        )
        lines.append(f"  --{name}  {_type_name(field.annotation)}, {default}")
        if field.description:
            lines.append(f"        {' '.join(field.description.split())}")
    return "\n".join(lines)


def _load(model: type[Model], default_file: Path | None, arguments: list[str]) -> Model:
    files, flags = _split_arguments(arguments, model)
    if not files and default_file is not None:
        files = [default_file]
    values: dict[str, Any] = {}
    for file in files:
        values = _merge(values, read_yaml(file))
    for name, value in flags:
        _set(values, name, value)
    origin = ", ".join([*map(str, files), *(f"--{name}" for name, _ in flags)]) or "configuration"
    return resolve(model, values, origin)


def _split_arguments(arguments: list[str], model: type[BaseModel]) -> tuple[list[Path], list[tuple[str, Any]]]:
    files: list[Path] = []
    flags: list[tuple[str, Any]] = []
    rest = list(reversed(arguments))
    while rest:
        argument = rest.pop()
        if not argument.startswith("--"):
            files.append(Path(argument))
            continue
        name, separator, text = argument[2:].partition("=")
        name = name.replace("-", "_")
        annotation = _annotation(model, name.split("."))
        if not separator:
            if rest and not rest[-1].startswith("--"):
                text = rest.pop()
            elif annotation is bool:
                text = "true"
            else:
                raise ConfigError(f"flag --{name} needs a value")
        flags.append((name, _flag_value(text, annotation)))
    return files, flags


def _flag_value(text: str, annotation: Any) -> Any:
    """A flag's text as YAML, except that a field of strings keeps it as it is (`--run.name 007`)."""
    kinds = set(_flatten(annotation))
    if kinds & {str, Path} and not kinds & {int, float, bool, list, tuple, dict}:
        return None if text == "null" and type(None) in kinds else text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Deep merge of mappings; everything else, lists too, is replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _set(values: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    target: Any = values
    for part in parents:
        if isinstance(target, list):
            target = target[_index(target, part, name)]
        else:
            if not isinstance(target.get(part), dict | list):
                target[part] = {}
            target = target[part]
    if isinstance(target, list):
        target[_index(target, last, name)] = value
    else:
        target[last] = value


def _index(values: list[Any], part: str, name: str) -> int:
    if not part.isdigit() or int(part) >= len(values):
        raise ConfigError(f"flag --{name}: {part!r} is not the position of one of the list's {len(values)} entries")
    return int(part)


def _explain(model: type[BaseModel], detail: Any, origin: str) -> str:
    location = [str(part) for part in detail["loc"]]
    name = ".".join(location)
    if detail["type"] == "extra_forbidden":
        siblings = _sibling_names(model, location[:-1])
        near = nearest(location[-1], siblings)
        prefix = ".".join([*location[:-1], ""])
        hint = f"did you mean {prefix + near!r}?" if near else f"known keys: {', '.join(siblings)}"
        return f"unknown key {name!r} in {origin}; {hint}"
    if detail["type"] == "missing":
        return f"{name!r} is required but not set in {origin}; add it to the file or pass --{name} VALUE"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{name or 'the configuration'}: {message} (in {origin})"


def _sibling_names(model: type[BaseModel], path: list[str]) -> list[str]:
    for candidate in _models_at(model, path):
        return sorted(candidate.model_fields)
    return sorted(model.model_fields)


def _models_at(model: type[BaseModel], path: list[str]) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = [model]
    for part in path:
        following: list[type[BaseModel]] = []
        for candidate in found:
            if part in candidate.model_fields:
                following += _submodels(candidate.model_fields[part].annotation)
            elif part.isdigit() or part not in candidate.model_fields:
                following.append(candidate)  # a list position, or pydantic's name of a union's member
        found = following
    return found


def _annotation(model: type[BaseModel], path: list[str]) -> Any:
    for candidate in _models_at(model, path[:-1]):
        if path[-1] in candidate.model_fields:
            return candidate.model_fields[path[-1]].annotation
    return None


def _flatten(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, typing.Annotated):
        for argument in get_args(annotation):
            yield from _flatten(argument)
    elif origin is typing.Literal:
        yield from (type(value) for value in get_args(annotation))
    else:
        yield origin or annotation


def _submodels(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _submodels(argument)]


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _fields(annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is typing.Literal:
        return " | ".join(map(str, get_args(annotation)))
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("pathlib.", "").replace("octupus.", "")


def _shown(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, default=str, ensure_ascii=False)

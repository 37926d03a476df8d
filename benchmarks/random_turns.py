"""Random turns: whatever a model prefers, each turn ends inside its budget and is valid. Counts, per backend.

    python benchmarks/random_turns.py --tokenizer ../shared/qwen_tokenizer --schemas \\
        ../shared/corpora/json_schemas/maskbench_sample.jsonl --turns 10000

Each turn has random rules (1 to 128 tools, choice, parallel, a cap on calls, JSON or a pattern for content), a budget
from the smallest admitted one upwards, and one of several ways of preferring tokens. A finished turn is parsed by its
dialect, held to its rules and validated by the `jsonschema` package. Exits 1 when any turn fails.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from rich.progress import track
from tokenizers import AddedToken, Tokenizer

from octupus.chat.dialect import Dialect
from octupus.chat.octupus import OCTUPUS
from octupus.chat.parse import fold
from octupus.chat.registry import DIALECTS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.admission import AdmittedSchema, RefusedSchemaError, SchemaAdmission, choice_pattern
from octupus.decoding.backends import BACKENDS
from octupus.decoding.spec import TurnSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import Mask, TokenVocabulary, allows
from octupus.schema.validation import parse_arguments, parse_json

STRING = {"type": "string"}
AWKWARD: dict[str, dict[str, Any]] = {
    "get": {"type": "object", "properties": {}},
    "get_w": {"type": "object", "properties": {"a": STRING}, "required": ["a"]},
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 3, "maxLength": 12},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
            "unit": {"enum": ["celsius", "fahrenheit", '北京 "quoted" \\ \n']},
        },
        "required": ["city", "unit"],
    },
    "天气.查询": {"type": "object", "properties": {"城市": STRING, 'é"\\': {"type": "boolean"}}, "required": ["城市"]},
    "tree": {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "required": ["root"],
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "number"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value"],
            }
        },
    },
    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    "anything": {"type": "object", "properties": {"value": {}}, "required": ["value"]},
    "codes": {
        "type": "object",
        "properties": {
            "plate": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,5}$"},
            "when": {"type": "string", "format": "date-time"},
            "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
            "points": {
                "type": "array",
                "minItems": 2,
                "maxItems": 4,
                "items": {
                    "type": "array",
                    "prefixItems": [{"type": "number"}, {"type": "number"}],
                    "minItems": 2,
                    "items": False,
                },
            },
        },
        "required": ["plate", "points"],
    },
    "either": {
        "type": "object",
        "properties": {
            "by": {"anyOf": [{"type": "integer", "minimum": 1000}, {"type": "null"}, {"const": {"deep": [1, "x"]}}]}
        },
        "required": ["by"],
    },
}
PATTERNS = [r"[a-z]{2,8}@[a-z]+\.(com|org)", choice_pattern(["yes", "no", "not sure", "否"]), r"\d{3}(-\d{4})?"]
PREFERENCES = ("uniform", "closing", "opening", "blank", "quotes", "control", "broken", "longest")
BUDGETS = (0, 1, 2, 5, 10, 20, 50, 120, 250)


@dataclass(frozen=True)
class Case:
    """One turn to be made."""

    spec: TurnSpec
    schemas: dict[str, dict[str, Any]]
    content: dict[str, Any] | None
    preference: str


class Sampler:
    """Draws tokens as a model with a strange taste would."""

    def __init__(self, vocabulary: TokenVocabulary, randomness: random.Random) -> None:
        self._vocabulary = vocabulary
        self._randomness = randomness
        data = vocabulary.token_bytes
        control = sorted(vocabulary.tokenizer.control_tokens.values())
        ids = range(len(data))
        self._favourites = {
            "uniform": [],
            "closing": [t for t in ids if data[t] and not data[t].strip(b'"}]')] + [vocabulary.end],
            "opening": [t for t in ids if data[t] and not data[t].strip(b'[{",: ')],
            "blank": [t for t in ids if data[t] and not data[t].strip(b" \t\r\n")],
            "quotes": [t for t in ids if b'"' in data[t] or b"\\" in data[t]],
            "control": control,
            "broken": [t for t in ids if data[t] and not _whole(data[t])],
            "longest": sorted(ids, key=lambda t: -len(data[t]))[:2000],
        }

    def draw(self, row: Mask, preference: str) -> int:
        """One allowed token; raises ValueError when there is none."""
        choice = self._randomness
        favourites = self._favourites[preference]
        if favourites and choice.random() < 0.7:
            for token_id in choice.choices(favourites, k=24):
                if allows(row, token_id):
                    return token_id
        for _ in range(8):
            token_id = choice.randrange(len(self._vocabulary.tokenizer))
            if allows(row, token_id):
                return token_id
        allowed = self._vocabulary.listed(row)
        if not allowed:
            raise ValueError("the mask is empty")
        return choice.choice(allowed)


def _whole(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def catalogue(file: Path | None) -> dict[str, dict[str, Any]]:
    """Schemas of tools by name: the awkward ones above, and those of a file of {name, schema} lines."""
    found = dict(AWKWARD)
    for line in file.read_text("utf-8").splitlines() if file else ():
        entry = json.loads(line)
        name = re.sub(r"[^a-zA-Z0-9_.-]", "_", entry["name"])[:64]
        if isinstance(entry["schema"], dict):
            found[name] = entry["schema"]
    return found


def cases(
    tools: dict[str, tuple[dict[str, Any], AdmittedSchema]], count: int, factory: TurnFactory, randomness: random.Random
) -> Iterator[Case]:
    """Random rules, each with a budget that admission would let pass."""
    awkward = [name for name in tools if name in AWKWARD]
    for _ in range(count):
        size = randomness.choice((1, 1, 2, 3, 8, 32, 128))
        names = randomness.sample(sorted(tools), min(size, len(tools)))
        if awkward and randomness.random() < 0.5:
            names = list(dict.fromkeys([*randomness.sample(awkward, min(size, len(awkward))), *names]))[:size]
        kind = randomness.random()
        content = randomness.choice(sorted(tools)) if kind < 0.15 else None
        choice = randomness.choice(("auto", "auto", "required", "none"))
        spec = TurnSpec(
            tools={} if choice == "none" else {name: tools[name][1].value for name in names},
            tool_choice=choice,
            parallel=randomness.random() < 0.6,
            max_calls=randomness.choice((None, None, 1, 3)),
            content=None if content is None else tools[content][1].value,
            pattern=randomness.choice(PATTERNS) if 0.15 <= kind < 0.25 else None,
        )
        budget = factory.compile(spec).shortest + randomness.choice(BUDGETS)
        yield Case(
            TurnSpec(**{**spec.__dict__, "max_tokens": budget}),
            {name: tools[name][0] for name in names},
            None if content is None else tools[content][0],
            randomness.choice(PREFERENCES),
        )


def fits(text: str, schema: dict[str, Any]) -> bool:
    """Whether JSON is an instance of a schema, in decimals: as doubles, 0.47 is no multiple of 0.01."""
    exact = json.loads(json.dumps(schema), parse_float=Decimal)
    return bool(jsonschema.Draft202012Validator(exact).is_valid(json.loads(text, parse_float=Decimal)))


def problem_of(
    case: Case, turn: TurnConstraint, ids: list[int], dialect: Dialect, tokenizer: ChatTokenizer
) -> str | None:
    """What is wrong with a turn, or None."""
    spec = case.spec
    if not turn.is_done():
        return "not finished inside the budget"
    parser = dialect.parser(tokenizer)
    message = fold(parser.push(ids) + parser.finish())
    if parser.malformed is not None:
        return f"malformed: {parser.malformed}"
    calls = message.tool_calls
    if (spec.tool_choice == "none" and calls) or (spec.tool_choice == "required" and not calls):
        return "tool_choice is not obeyed"
    if (len(calls) > 1 and not spec.parallel) or (spec.max_calls is not None and len(calls) > spec.max_calls):
        return "too many calls"
    for call in calls:
        if call.function.name not in spec.tools:
            return f"{call.function.name!r} is not among the tools"
        try:
            parse_arguments(call.function.arguments)
        except ValueError as error:
            return f"arguments are no JSON: {error}"
        if not fits(call.function.arguments, case.schemas[call.function.name]):
            return f"arguments do not fit the schema of {call.function.name}"
    if message.content is not None and case.content is not None:
        try:
            parse_json(message.content, unique_keys=True)
        except ValueError as error:
            return f"content is no JSON: {error}"
        if not fits(message.content, case.content):
            return "content does not fit its schema"
    if message.content is not None and spec.pattern is not None and not re.fullmatch(spec.pattern, message.content):
        return "content does not match its pattern"
    return None


def walk(case: Case, factory: TurnFactory, sampler: Sampler) -> tuple[TurnConstraint, list[int]]:
    """Generate one turn."""
    turn = factory.turn(case.spec)
    row = np.zeros(factory.vocabulary.words, dtype=np.uint32)
    ids: list[int] = []
    assert case.spec.max_tokens is not None
    while not turn.is_done() and len(ids) < case.spec.max_tokens:
        turn.fill(row)
        token_id = sampler.draw(row, case.preference)
        if not turn.accept(token_id):
            raise ValueError(f"token {token_id} of the mask is refused in phase {turn.phase}")
        ids.append(token_id)
    return turn, ids


def main() -> int:
    """Print the table; 1 when a turn failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--end", default="<|im_end|>")
    parser.add_argument("--schemas", type=Path)
    parser.add_argument("--turns", type=int, default=10_000, help="turns per backend, half of them in each dialect")
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS))
    parser.add_argument("--dialects", nargs="+", default=list(DIALECTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=5, help="failures to print")
    arguments = parser.parse_args()
    inner = Tokenizer.from_file(str(arguments.tokenizer / "tokenizer.json"))
    inner.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    tokenizer = ChatTokenizer(inner, arguments.end)
    schemas = catalogue(arguments.schemas)
    failed = 0
    columns = f"{'tools':>11} {'turns':>6} {'failed':>6} {'calls':>6} {'hurried':>7} {'tokens':>8} {'s':>6}"
    print(f"{'backend':20} {'dialect':8} {columns}")
    for backend in arguments.backends:
        for name in arguments.dialects:
            dialect = DIALECTS[name]
            factory = TurnFactory(TokenVocabulary(tokenizer), dialect.layout(tokenizer))
            admission = SchemaAdmission(factory, backend)
            admitted: dict[str, tuple[dict[str, Any], AdmittedSchema]] = {}
            for tool, schema in schemas.items():
                try:
                    admitted[tool] = schema, admission.arguments(schema)
                except RefusedSchemaError:
                    continue
            randomness = random.Random(f"{arguments.seed}{backend}{name}")
            sampler = Sampler(factory.vocabulary, randomness)
            count = arguments.turns // len(arguments.dialects)
            problems: Counter[str] = Counter()
            calls = hurried = tokens = 0
            started = time.perf_counter()
            todo = cases(admitted, count, factory, randomness)
            for case in track(todo, f"{backend} {name}", count, disable=not sys.stdout.isatty(), transient=True):
                ids: list[int] = []
                try:
                    turn, ids = walk(case, factory, sampler)
                    problem = problem_of(case, turn, ids, dialect, tokenizer)
                    hurried += turn.hurried
                except ValueError as error:
                    problem = str(error)
                tokens += len(ids)
                calls += ids.count(factory.layout.call)
                if problem is not None:
                    problems[problem.split(":")[0]] += 1
                    if sum(problems.values()) <= arguments.show:
                        print(
                            f"  {problem} | {case.preference} max_tokens={case.spec.max_tokens}",
                            repr(tokenizer.decode(ids)),
                        )
            failed += sum(problems.values())
            shown = f"{len(admitted)}/{len(schemas)}"
            print(
                f"{backend:20} {name:8} {shown:>11} {count:6} {sum(problems.values()):6} {calls:6}",
                f"{hurried:7} {tokens:8} {time.perf_counter() - started:6.0f}",
                *problems.most_common(3),
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

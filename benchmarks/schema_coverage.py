"""Which schemas each backend admits, and whether it keeps its word, beside the bare libraries in one run.

    python benchmarks/schema_coverage.py --tokenizer DIRECTORY

DIRECTORY holds a tokenizer.json, such as Qwen's with its 151k entries; the control tokens are added in memory. The
schemas are JSON lines of {"schema": ..., "tests": [{"valid": ..., "data": ...}]}. The exit code is 1 when a backend of
octupus lets an invalid instance end.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Protocol

import llguidance
import llguidance.numpy
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tokenizers import AddedToken, Tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import BACKENDS, Backends
from octupus.decoding.vocabulary import Mask, TokenVocabulary, allows
from octupus.schema.normal import normalise
from octupus.schema.normal.errors import RefusedSchemaError
from octupus.schema.validation import InvalidSchemaError, validator

SCHEMAS = Path(__file__).parents[2] / "shared" / "corpora" / "json_schemas"
SLOW = 2.0
"""Seconds for one schema, its instances included, from which it counts as slow."""
LONGEST = 1500
"""Tokens of an instance; longer ones are left out."""
STOCK_LIMIT = 10.0
"""Seconds after which a schema is given up; stock lm-format-enforcer can take minutes."""


class RefusedError(Exception):
    """The schema is not admitted; the argument lists keywords, or the first words of the library's message."""


class Walker(Protocol):
    """What the walk needs of a matcher."""

    def fill(self, row: Mask) -> None: ...
    def accept(self, token_id: int) -> bool: ...
    def can_end(self) -> bool: ...


Subject = Callable[[Any], Callable[[], Walker]]
"""Compiles a schema; what it returns makes matchers at the first character. Raises RefusedError."""


def octupus_subject(backends: Backends, name: str) -> Subject:
    """A backend behind the normal form, as the server uses it."""
    backend = backends.named(name)

    def compiled(schema: Any) -> Callable[[], Walker]:
        try:
            normal = normalise(schema)
        except InvalidSchemaError as error:
            raise RefusedError([f"invalid schema ({error.violation.keyword})"]) from error
        except RefusedSchemaError as error:
            raise RefusedError([f"{type(error).__name__.removesuffix('SchemaError')} ({error.keyword})"]) from error
        found = [*normal.unexpressed] or backend.check(normal)
        if found:
            raise RefusedError([unsupported.keyword or "too large" for unsupported in found])
        backend.start(normal.schema)
        return lambda: backend.start(normal.schema)

    return compiled


def bare_llguidance(vocabulary: TokenVocabulary) -> Subject:
    """LLMatcher on the author's schema."""

    class Matcher:
        def __init__(self, matcher: llguidance.LLMatcher) -> None:
            self._matcher = matcher
            self.accept = lambda token_id: matcher.try_consume_tokens([token_id]) == 1
            self.can_end = matcher.is_accepting

        def fill(self, row: Mask) -> None:
            llguidance.numpy.fill_next_token_bitmask(self._matcher, row.view(np.int32).reshape(1, -1), 0)

    def compiled(schema: Any) -> Callable[[], Walker]:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        matcher = llguidance.LLMatcher(vocabulary.guidance, grammar, log_level=0)
        if matcher.is_error():
            raise RefusedError([str(matcher.get_error()).splitlines()[0][:40]])
        return lambda: Matcher(matcher.deep_copy())

    return compiled


def bare_xgrammar(vocabulary: TokenVocabulary) -> Subject:
    """compile_json_schema on the author's schema, strict as it is by default."""
    import xgrammar

    texts = vocabulary.token_bytes
    information = xgrammar.TokenizerInfo(
        texts + [b""] * (vocabulary.size - len(texts)),
        vocab_type=xgrammar.VocabType.RAW,
        stop_token_ids=[vocabulary.end],
    )
    compiler = xgrammar.GrammarCompiler(information, cache_enabled=False)

    class Matcher:
        def __init__(self, grammar: Any) -> None:
            matcher = self._matcher = xgrammar.GrammarMatcher(grammar)
            self.accept, self.can_end = matcher.accept_token, matcher.is_completed

        def fill(self, row: Mask) -> None:
            self._matcher.fill_next_token_bitmask(row.view(np.int32).reshape(1, -1))

    def compiled(schema: Any) -> Callable[[], Walker]:
        try:
            grammar = compiler.compile_json_schema(json.dumps(schema))
        except RuntimeError as error:
            raise RefusedError([str(error).splitlines()[0][-40:]]) from error
        return lambda: Matcher(grammar)

    return compiled


def stock_format_enforcer(vocabulary: TokenVocabulary) -> Subject:
    """lm-format-enforcer as it comes, with lists of tokens."""
    from lmformatenforcer import JsonSchemaParser, TokenEnforcer, TokenEnforcerTokenizerData

    decode = vocabulary.tokenizer.decode
    zero = vocabulary.tokenizer.encode("0")[-1]
    controls = set(vocabulary.tokenizer.control_tokens.values())
    texts = [
        (token_id, (after := decode([zero, token_id])[1:]), len(after) > len(decode([token_id])))
        for token_id, data in enumerate(vocabulary.token_bytes)
        if data and token_id not in controls
    ]
    shared = TokenEnforcerTokenizerData(
        texts, lambda ids: decode(ids).rstrip("\ufffd"), vocabulary.end, False, vocabulary.size
    )

    class Matcher:
        def __init__(self, schema: Any) -> None:
            self._enforcer = TokenEnforcer(shared, JsonSchemaParser(schema))
            self._ids: list[int] = []

        def _allowed(self) -> list[int]:
            return list(self._enforcer.get_allowed_tokens(self._ids).allowed_tokens)

        def fill(self, row: Mask) -> None:
            row[:] = vocabulary.mask(self._allowed())

        def accept(self, token_id: int) -> bool:
            self._ids.append(token_id)
            return True

        def can_end(self) -> bool:
            return vocabulary.end in self._allowed()

    def compiled(schema: Any) -> Callable[[], Walker]:
        Matcher(schema)
        return lambda: Matcher(schema)

    return compiled


BARE_SUBJECTS = {
    "bare llguidance": bare_llguidance,
    "bare xgrammar": bare_xgrammar,
    "stock lm-format-enforcer": stock_format_enforcer,
}


@dataclass
class Result:
    """What one subject did with all schemas."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Schemas with an invalid instance that could end."""
    errors: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    compile_times: list[float] = field(default_factory=list)
    mask_times: list[float] = field(default_factory=list)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block; a call into a library is only interrupted when it returns."""

    def expired(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ends(matcher: Walker, ids: list[int], row: Mask, mask_times: list[float]) -> bool:
    """Whether the matcher lets exactly these tokens be a whole value."""
    for token_id in ids:
        started = time.perf_counter()
        matcher.fill(row)
        mask_times.append(time.perf_counter() - started)
        if not allows(row, token_id):
            return False
        if not matcher.accept(token_id):
            raise AssertionError(f"token {token_id} is in the mask, but is not accepted")
    return bool(matcher.can_end())


def try_case(subject: Subject, case: dict[str, Any], vocabulary: TokenVocabulary, result: Result) -> None:
    """Compile one schema and walk its instances."""
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    started = time.perf_counter()
    start = subject(case["schema"])
    result.compile_times.append(time.perf_counter() - started)
    result.counts["admitted"] += 1

    def accepts(instance: Any) -> bool | None:
        ids = vocabulary.tokenizer.encode(json.dumps(instance, ensure_ascii=False))
        return ends(start(), ids, row, result.mask_times) if len(ids) <= LONGEST else None

    for test in case["tests"]:
        accepted = accepts(test["data"])
        if accepted is None:
            result.counts["too long"] += 1
        elif not test["valid"]:
            result.counts["invalid"] += 1
            if accepted:
                result.wrong.append(f"{case['name']}: {json.dumps(test['data'])[:200]}")
        elif accepted:
            result.counts["valid accepted"] += 1
        elif accepts(in_schema_order(test["data"], case["schema"], case["schema"])):
            result.counts["valid reordered"] += 1
        else:
            result.counts["valid rejected"] += 1
            result.rejected.append(f"{case['name']}: {json.dumps(test['data'])[:200]}")


def run(
    name: str, subject: Subject, cases: list[dict[str, Any]], vocabulary: TokenVocabulary, seconds: float
) -> Result:
    """Try all schemas until the time is over; the name is shown beside the progress."""
    result = Result()
    over = time.monotonic() + seconds
    for case in track(cases, name, console=Console(stderr=True), disable=not sys.stderr.isatty()):
        if time.monotonic() > over:
            break
        result.counts["tried"] += 1
        started = time.perf_counter()
        try:
            with time_limit(STOCK_LIMIT):
                try_case(subject, case, vocabulary, result)
        except RefusedError as refused:
            result.counts["refused"] += 1
            result.refused.update(set(refused.args[0]))
        except TimeoutError:
            result.counts["given up"] += 1
        except Exception as error:  # noqa: BLE001 - one broken schema is a row of the table, not the end of the run
            result.errors.append(f"{case['name']}: {type(error).__name__}: {str(error)[:200]}")
        result.counts["slow"] += time.perf_counter() - started > SLOW
    return result


def in_schema_order(instance: Any, schema: Any, root: Any, depth: int = 0) -> Any:
    """The instance with the keys of each object in the order in which the schema declares them."""
    if depth > 50:
        return instance
    subschemas = list(_alternatives(schema, root, 0))
    if isinstance(instance, list):
        items = next((part["items"] for part in subschemas if isinstance(part.get("items"), dict)), {})
        return [in_schema_order(item, items, root, depth + 1) for item in instance]
    if not isinstance(instance, dict):
        return instance
    declared: dict[str, Any] = {}
    for part in subschemas:
        for name, child in part.get("properties", {}).items():
            declared.setdefault(name, child)
    names = [*(name for name in declared if name in instance), *(name for name in instance if name not in declared)]
    return {name: in_schema_order(instance[name], declared.get(name, {}), root, depth + 1) for name in names}


def _alternatives(schema: Any, root: Any, depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict) or depth > 10:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        target = root
        for part in reference[1:].split("/")[1:]:
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, dict) else {}
        yield from _alternatives(target, root, depth + 1)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for member in schema.get(keyword, []):
            yield from _alternatives(member, root, depth + 1)


def validator_disagreements(cases: list[dict[str, Any]]) -> tuple[int, Counter[str], Counter[str]]:
    """Instances of the test suite, disagreements with octupus's validator by file, and refused schemas by file."""
    disagreements: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    count = 0
    for case in cases:
        schema = case["schema"]
        if isinstance(schema, bool):
            schema = {} if schema else {"not": {}}
        try:
            compiled = validator(schema)
        except InvalidSchemaError:
            refused[case["file"]] += 1
            continue
        for test in case["tests"]:
            count += 1
            disagreements[case["file"]] += compiled.is_valid(test["data"]) != test["valid"]
    return count, +disagreements, refused


def table(title: str, results: dict[str, Result]) -> Table:
    """One row for each subject."""
    columns = ["tried", "admitted", "refused", "valid accepted", "valid reordered", "valid rejected", "invalid"]
    shown = Table("backend", *columns, "wrongly ended", "errors", "given up", "over 2 s", "compile ms", "mask us")
    shown.title = title
    for name, result in results.items():
        cells = [str(result.counts[column]) for column in columns]
        cells += [str(len(result.wrong)), str(len(result.errors)), str(result.counts["given up"])]
        cells += [str(result.counts["slow"]), spread(result.compile_times, 1e3), spread(result.mask_times, 1e6)]
        shown.add_row(name, *cells)
    return shown


def spread(times: list[float], scale: float) -> str:
    """Median, 99th percentile and maximum."""
    if len(times) < 2:
        return "-"
    cuts = quantiles(times, n=100)
    return " / ".join(f"{value * scale:.1f}" for value in (cuts[49], cuts[98], max(times)))


def read_cases(file: Path) -> list[dict[str, Any]]:
    """The cases of a JSON-lines file; those of the test suite are named after their file and description."""
    cases = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [{"name": f"{case.get('file')}: {case.get('description')}", **case} for case in cases]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--end", default="<|im_end|>")
    parser.add_argument("--schemas", type=Path, default=SCHEMAS / "maskbench_sample.jsonl")
    parser.add_argument("--suite", type=Path, default=SCHEMAS / "test_suite_2020_12.jsonl")
    parser.add_argument("--limit", type=int, help="schemas of each file, drawn with a fixed seed")
    parser.add_argument("--seconds-per-backend", type=float, default=600.0)
    parser.add_argument("--backends", nargs="+", default=[*BACKENDS, *BARE_SUBJECTS])
    arguments = parser.parse_args()
    inner = Tokenizer.from_file(str(arguments.tokenizer / "tokenizer.json"))
    inner.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    vocabulary = TokenVocabulary(ChatTokenizer(inner, arguments.end))
    backends = Backends(vocabulary)
    console = Console(width=None if sys.stdout.isatty() else 220)
    wrong = 0
    made = {
        name: octupus_subject(backends, name) if name in BACKENDS else BARE_SUBJECTS[name](vocabulary)
        for name in arguments.backends
    }
    for file in (arguments.schemas, arguments.suite):
        cases = read_cases(file)
        if file == arguments.suite:
            count, disagreements, refused = validator_disagreements(cases)
            console.print(f"\noctupus.schema.validation on {count} instances of the suite: disagreements", end=" ")
            console.print(f"{dict(disagreements)}; schemas refused {dict(refused)}")
            console.print("(format annotates only; a schema that refers to another document is never fetched)")
        if arguments.limit:
            cases = random.Random(0).sample(cases, min(arguments.limit, len(cases)))
        results = {}
        for name, subject in made.items():
            results[name] = run(name, subject, cases, vocabulary, arguments.seconds_per_backend)
        console.print(table(file.name, results))
        for name, result in results.items():
            console.print(f"{name}: refused for {dict(result.refused.most_common(12))}", markup=False)
            if name in BACKENDS:
                wrong += len(result.wrong)
                for kind in ("wrong", "errors", "rejected"):
                    for line in getattr(result, kind)[:10]:
                        console.print(f"  {kind}: {line}", markup=False)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""Which schemas each backend admits, and whether it keeps its word, beside the bare libraries in one run.

    python benchmarks/schema_coverage.py --tokenizer DIRECTORY [--limit N] [--seconds-per-backend S] [--backends ...]

DIRECTORY holds a tokenizer.json, such as Qwen's with its 151k entries; the control tokens are added in memory. The
schemas are JSON lines of {"schema": ..., "tests": [{"valid": ..., "data": ...}]}, taken in an order drawn with a fixed
seed. octupus's backends admit them as its server admits a `response_format`. Every instance is written twice, as it
stands and with its keys in the schema's order, since a backend may admit one order alone; a valid one has to end in
either, an invalid one must end in neither. What a benchmark calls invalid counts only when `jsonschema` says so too,
the formats that it knows included. The tables that a library makes once for a vocabulary are made before the first
schema. Times are CPU time: of the process for compiling (admission included), of the thread for masks. A call into a
library that never returns, as bare xgrammar's may, is not interrupted: give each backend a run of its own then.

The exit code is 1 when a backend of octupus lets an invalid instance end, or fails.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
from bare_libraries import BARE_LIBRARIES, Compiled, RefusedError, Subject, Walker
from coverage_tables import SLOW, Result, show_details, table, validator_table
from key_order import in_schema_order
from referencing.exceptions import Unresolvable
from rich.console import Console
from rich.progress import track
from schema_corpus import read_tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.decoding.admission import RefusedSchemaError, SchemaAdmission
from octupus.decoding.backends import BACKENDS
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary, allows
from octupus.schema.validation import validator

SCHEMAS = Path(__file__).parents[2] / "shared" / "corpora" / "json_schemas"
LONGEST = 1500
"""Tokens of an instance; longer ones are left out, as in the study."""
PATIENCE = 15.0
"""Seconds after which compiling or an instance is given up; stock lm-format-enforcer can take minutes."""
Case = dict[str, Any]


class OutOfTimeError(BaseException):
    """Not an Exception, since lm-format-enforcer takes any of those for its own and goes on."""


def octupus_subject(factory: TurnFactory, name: str) -> Subject:
    """A backend behind admission, as the server uses it."""
    admission = SchemaAdmission(factory, name)
    backend = factory.backends.named(name)

    def compiled(schema: Any) -> Compiled:
        try:
            value = admission.value(schema).value
        except RefusedSchemaError as error:
            raise RefusedError([item.keyword or item.explanation[:60] for item in error.refusals]) from error
        first = backend.start(value.schema)
        return Compiled(first.fork, value.schema)

    return compiled


class Walk:
    """Follows the instances of one compiled schema."""

    def __init__(self, compiled: Compiled, vocabulary: TokenVocabulary, result: Result) -> None:
        self._compiled = compiled
        self._vocabulary = vocabulary
        self._result = result
        self._row = vocabulary.mask(())
        self.stopped_at = ""
        """The text of the last instance that did not end, up to and with the token that was refused."""

    def ends(self, instance: Any) -> bool:
        """Whether the instance, as `json.dumps` writes it, can be a whole value."""
        ids = spell(instance, self._vocabulary)
        walker = self._compiled.start()
        for place, token_id in enumerate(ids):
            if not self._step(walker, token_id):
                texts = [self._vocabulary.token_bytes[each].decode("utf-8", "replace") for each in ids[: place + 1]]
                self.stopped_at = "".join(texts[:-1])[-80:] + " >>" + texts[-1] + "<<"
                return False
        self.stopped_at = "the end"
        return walker.can_end()

    def _step(self, walker: Walker, token_id: int) -> bool:
        started = time.thread_time()
        walker.fill(self._row)
        self._result.mask_times.append(time.thread_time() - started)
        if not allows(self._row, token_id):
            return False
        if not walker.accept(token_id):
            raise AssertionError(f"token {token_id} is in the mask, but is not accepted")
        return True


def spell(instance: Any, vocabulary: TokenVocabulary) -> list[int]:
    """The tokens of exactly this instance."""
    text = json.dumps(instance, ensure_ascii=False)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair can only be written as an escape.
        data = json.dumps(instance).encode()
    ids = vocabulary.tokenizer.encode(data.decode())
    if b"".join(vocabulary.token_bytes[token_id] for token_id in ids) == data:
        return ids
    # The tokenizer normalises text: it would write another instance.
    return [vocabulary.byte_ids[byte] for byte in data]


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the block after a while; a call into a library is interrupted when it returns."""

    def expired(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def try_case(subject: Subject, case: Case, vocabulary: TokenVocabulary, result: Result) -> None:
    """Compile one schema and walk its instances."""
    started = time.process_time()
    try:
        with patience(PATIENCE):
            compiled = subject(case["schema"])
            compiled.start()
    finally:
        taken = time.process_time() - started
        if taken > SLOW:
            result.slow.append(f"{case['name']}: compiled in {taken:.1f} s")
    result.compile_times.append(taken)
    result.counts["admitted"] += 1
    walk = Walk(compiled, vocabulary, result)
    for test in case["tests"]:
        if len(spell(test["data"], vocabulary)) > LONGEST:
            result.counts["too long"] += 1
            continue
        started = time.process_time()
        try:
            with patience(PATIENCE):
                try_instance(walk, compiled, case, test, result)
        except OutOfTimeError:
            result.counts["given up"] += 1
        taken = time.process_time() - started
        if taken > SLOW:
            result.slow.append(f"{case['name']}: an instance in {taken:.1f} s")


def try_instance(walk: Walk, compiled: Compiled, case: Case, test: Case, result: Result) -> None:
    """Write one instance, if need be a second time with its keys in order."""
    schema, instance = case["schema"], test["data"]
    example = f"{case['name']}: {json.dumps(instance, ensure_ascii=False)[:300]}"
    as_written = walk.ends(instance)
    ordering = compiled.normal or schema
    accepted = as_written or walk.ends(in_schema_order(instance, ordering, ordering))
    if not test["valid"]:
        result.counts["invalid"] += 1
        if accepted:
            (result.disputed if is_valid_after_all(schema, instance) else result.wrong).append(example)
        return
    result.counts["valid"] += 1
    result.counts["as written"] += as_written
    result.counts["in order"] += accepted
    if not accepted:
        cause = cause_of(compiled.normal, instance)
        result.causes[cause] += 1
        result.rejected.append(f"[{cause}] {example}\n      stopped at {walk.stopped_at}")


def is_valid_after_all(schema: Any, instance: Any) -> bool:
    """Whether the library jsonschema, with formats, admits what a benchmark calls invalid."""
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        return bool(kind(schema, format_checker=kind.FORMAT_CHECKER).is_valid(instance))
    except Unresolvable:
        # It leads to another document: the benchmark's word is all there is.
        return False


def cause_of(normal: dict[str, Any] | None, instance: Any) -> str:
    """Why a valid instance is rejected: by which keyword of the normal form, or only by how it is spelled."""
    if normal is None:
        return "unknown"
    violations = validator(normal).violations(instance)
    return f"normal form: {violations[0].keyword}" if violations else "spelling"


def warm_up(subject: Subject, vocabulary: TokenVocabulary) -> None:
    """Fill the tables that are made once for a vocabulary, as a server's first requests do."""
    properties = {"text": {"type": "string"}, "number": {"type": "number"}}
    opened = {"type": "object", "properties": properties, "required": ["text", "number"]}
    for schema in (opened, opened | {"additionalProperties": False}):
        try:
            compiled = subject(schema)
        except RefusedError:
            continue
        Walk(compiled, vocabulary, Result()).ends({"text": 'a "word"', "number": 1.5e30})


def run(name: str, subject: Subject, cases: list[Case], vocabulary: TokenVocabulary, seconds: float) -> Result:
    """Try all schemas until the time is over; the name is shown beside the progress."""
    result = Result()
    warm_up(subject, vocabulary)
    over = time.monotonic() + seconds
    for case in track(cases, name, console=Console(stderr=True), disable=not sys.stderr.isatty()):
        if time.monotonic() > over:
            break
        result.counts["tried"] += 1
        try:
            try_case(subject, case, vocabulary, result)
        except RefusedError as refused:
            result.counts["refused"] += 1
            result.reasons.update(refused.reasons)
        except OutOfTimeError:
            result.counts["given up"] += 1
        except Exception as error:  # noqa: BLE001 - a library's failure is a row of the table, not the end of the run
            result.errors.append(f"{case['name']}: {type(error).__name__}: {str(error)[:300]}")
    return result


def read_cases(file: Path) -> list[Case]:
    """The cases of a JSON-lines file; those of the test suite are named after their file and description."""
    cases = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for case in cases:
        case.setdefault("name", f"{case.get('file')}: {case.get('description')}")
        if isinstance(case["schema"], bool):
            # Requests hold objects alone.
            case["schema"] = {} if case["schema"] else {"not": {}}
    return cases


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--end", default="<|im_end|>")
    parser.add_argument("--schemas", type=Path, nargs="+", default=sorted(SCHEMAS.glob("*.jsonl")))
    parser.add_argument("--limit", type=int, help="schemas of each file")
    parser.add_argument("--seconds-per-backend", type=float, default=600.0, help="for each file")
    parser.add_argument("--backends", nargs="+", default=[*BACKENDS, *BARE_LIBRARIES])
    parser.add_argument("--examples", type=int, default=12, help="of each kind, for each backend")
    arguments = parser.parse_args()
    tokenizer = read_tokenizer(arguments.tokenizer, arguments.end)
    factory = TurnFactory(TokenVocabulary(tokenizer), OCTUPUS.layout(tokenizer))
    subjects = {
        name: octupus_subject(factory, name) if name in BACKENDS else BARE_LIBRARIES[name](factory.vocabulary)
        for name in arguments.backends
    }
    console = Console(width=None if sys.stdout.isatty() else 220)
    failed = False
    for file in arguments.schemas:
        cases = read_cases(file)
        console.print(validator_table(cases))
        cases = random.Random(0).sample(cases, min(arguments.limit or len(cases), len(cases)))
        results = {
            name: run(name, subject, cases, factory.vocabulary, arguments.seconds_per_backend)
            for name, subject in subjects.items()
        }
        console.print(table(file.name, results))
        for name, result in results.items():
            show_details(console, name, result, arguments.examples)
            failed |= name in BACKENDS and bool(result.wrong or result.errors)
    sys.exit(failed)


if __name__ == "__main__":
    main()

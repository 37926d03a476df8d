"""What a TurnConstraint costs beside its bare backend and the bare library, in one run, on real schemas.

    python benchmarks/mask_time.py --tokenizer DIRECTORY --schemas maskbench_sample.jsonl [--backend llguidance]

DIRECTORY holds a tokenizer.json, such as Qwen's with its 151k entries; the control tokens are added in memory. Valid
values of every schema that a backend admits are written token by token, and at each the mask is made by turns: by the
library alone (llguidance, called as vLLM's guidance backend calls it), by octupus's matcher, and by the whole turn. The
first walk of each value is the matcher's alone, so that what a backend remembers is there for all that follow; it is
shown as `first`. `tight` is a turn whose budget is the value's own length, so that its closing path is looked for; it
stops where the budget forbids the value's next token. Schemas of tools are closed, as a server closes them.

Times are CPU time: of the thread for masks, of the process for compiling, less the clock's own. Differences are taken
mask by mask.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, process_time_ns, thread_time_ns
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np
from rich.progress import track
from schema_corpus import Sample, percentile, read_samples, read_tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.decoding.arguments import ArgumentsBackend
from octupus.decoding.backends import BACKENDS
from octupus.decoding.closing import ClosingPlan
from octupus.decoding.spec import REQUIRED, TurnSpec, ValueSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.turn_state import Phase
from octupus.decoding.vocabulary import Mask, TokenVocabulary
from octupus.errors import OctupusError
from octupus.schema.normal import NormalSchema, normalise

TOOL = "get_weather"
TOOL_COUNTS = (1, 8, 32, 128)
FORMATTING = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
"""As octupus asks llguidance for it."""


def clock_cost() -> int:
    """Nanoseconds that reading the thread's clock takes."""
    readings = [thread_time_ns() for _ in range(10_001)]
    return int(np.median(np.diff(readings)))


CLOCK_COST = clock_cost()


@dataclass
class Times:
    """Microseconds by what was done, and differences between two that stand for the same mask."""

    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    schemas: int = 0
    admitted: int = 0
    refused: int = 0
    """Values that the backend did not take: their keys stand in another order than the schema's, for the most part."""

    def time(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function`, and keep the CPU time of the thread."""
        started = thread_time_ns()
        result = function(*arguments)
        self.taken[what].append((thread_time_ns() - started - CLOCK_COST) / 1000)
        return result

    def time_compiling(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function`, and keep the CPU time of all threads."""
        started = process_time_ns()
        result = function(*arguments)
        self.taken[what].append((process_time_ns() - started) / 1000)
        return result

    def __add__(self, other: Times) -> Times:
        both = Times(schemas=self.schemas + other.schemas, admitted=self.admitted + other.admitted)
        both.refused = self.refused + other.refused
        for what in {**self.taken, **other.taken}:
            both.taken[what] = self.taken.get(what, []) + other.taken.get(what, [])
        return both


@dataclass(frozen=True)
class Subject:
    """A schema ready to be walked."""

    factory: TurnFactory
    backend: ArgumentsBackend
    schema: dict[str, Any]

    def turn(self, spare: int | None = None, length: int = 0) -> TurnConstraint:
        """A turn in front of its arguments, with a budget for `length` tokens of them and `spare` more, or without."""
        spec = TurnSpec({TOOL: ValueSpec(self.schema, self.backend.name)}, REQUIRED, parallel=False)
        compiled = self.factory.compile(spec)
        opening = [self.factory.layout.call, *compiled.names[TOOL]]
        if spare is not None:
            budget = max(compiled.shortest, len(opening) + length + compiled.call_tail) + spare
            compiled = replace(compiled, spec=replace(spec, max_tokens=budget))
        turn = TurnConstraint(compiled)
        if not turn.accept_all(opening) or turn.phase is not Phase.ARGUMENTS:
            raise ValueError("the only tool's name is not taken")
        return turn

    def library(self) -> llguidance.LLMatcher:
        """llguidance's own matcher of the schema."""
        text = json.dumps(self.schema, ensure_ascii=False)
        grammar = llguidance.LLMatcher.grammar_from_json_schema(text, defaults=FORMATTING)
        return llguidance.LLMatcher(self.factory.vocabulary.guidance, grammar, log_level=0)


def compiled(factory: TurnFactory, backend: ArgumentsBackend, sample: Sample, times: Times) -> NormalSchema | None:
    """The normal form of a schema that is seen for the first time; None where it is not admitted."""
    parts = Times()
    try:
        normal = parts.time_compiling("compile: normalise", lambda: normalise(sample.schema, closed=sample.is_function))
    except OctupusError:
        return None
    if normal.unexpressed or parts.time_compiling("compile: check", backend.check, normal):
        return None
    parts.time_compiling("compile: start", backend.start, normal.schema)
    parts.time_compiling("compile: plan", ClosingPlan, normal.schema, factory.vocabulary)
    parts.taken["compile: all"] = [sum(found[0] for found in parts.taken.values())]
    for what, found in parts.taken.items():
        times.taken[what] += found
    return normal


def walk(subject: Subject, ids: Sequence[int], times: Times, row: Mask) -> None:
    """Write one value with all subjects by turns."""
    matcher = subject.backend.start(subject.schema)
    for token_id in ids:
        times.time("first", matcher.fill, row)
        if not matcher.accept(token_id):
            times.refused += 1
            return
    matcher, turn = subject.backend.start(subject.schema), subject.turn()
    fills = [("matcher", matcher.fill, [row]), ("turn", turn.fill, [row])]
    accepts = [("matcher", matcher.accept), ("turn", turn.accept)]
    if subject.backend.name == "llguidance":
        library = subject.library()
        fills.append(("library", llguidance.numpy.fill_next_token_bitmask, [library, row.view(np.int32)[None], 0]))
        accepts.append(("library", library.consume_token))
    for position, token_id in enumerate(ids):
        # Each goes first as often as the others, since what goes first finds colder caches.
        for shift in range(len(fills)):
            name, fill, arguments = fills[(position + shift) % len(fills)]
            times.time(name, fill, *arguments)
        for name, _, _ in fills:
            if name != "turn":
                times.taken[f"turn - {name}"].append(times.taken["turn"][-1] - times.taken[name][-1])
        for name, accept in accepts:
            times.time(f"accept: {name}", accept, token_id)


def tight_walk(subject: Subject, ids: Sequence[int], times: Times, row: Mask) -> None:
    """Write one value with a budget that holds the shortest turn and this one, and no more."""
    turn = subject.turn(0, len(ids))
    for token_id in ids:
        times.time("tight", turn.fill, row)
        if not times.time("accept: tight", turn.accept, token_id):
            return


def measure(factory: TurnFactory, name: str, samples: Sequence[Sample], longest: int, seconds: float) -> Times:
    """The times of one backend on some schemas."""
    backend, tokenizer, times = factory.backends.named(name), factory.vocabulary.tokenizer, Times()
    row = np.zeros(factory.vocabulary.words, dtype=np.uint32)
    until = monotonic() + seconds
    for sample in track(samples, name, transient=True, disable=not sys.stdout.isatty()):
        if monotonic() > until:
            break
        times.schemas += 1
        normal = compiled(factory, backend, sample, times)
        if normal is None:
            continue
        times.admitted += 1
        subject = Subject(factory, backend, normal.schema)
        for value in sample.values:
            ids = tokenizer.encode(json.dumps(value, ensure_ascii=False))[:longest]
            walk(subject, ids, times, row)
            tight_walk(subject, ids, times, row)
    return times


def tool_counts(factory: TurnFactory, name: str, samples: Sequence[Sample]) -> dict[int, list[float]]:
    """For numbers of tools: microseconds to compile them first and again, and to fill the first mask of a turn."""
    backend = factory.backends.named(name)
    waiting = [normal.schema for sample in samples if (normal := compiled(factory, backend, sample, Times()))]
    row = np.zeros(factory.vocabulary.words, dtype=np.uint32)
    # Forgets the plans, and the grammars of llguidance; the tables of the others take too long to be built again.
    fresh = TurnFactory(factory.vocabulary, factory.layout)
    if name != "llguidance":
        fresh.backends = factory.backends
    found: dict[int, list[float]] = {}
    for count in TOOL_COUNTS:
        if len(waiting) < count:
            break
        spec, times = TurnSpec({f"{TOOL}_{index}": ValueSpec(waiting.pop(), name) for index in range(count)}), Times()
        times.time_compiling("first", fresh.compile, spec)
        for _ in range(20):
            turn = TurnConstraint(times.time_compiling("again", fresh.compile, spec))
            times.time("fill", turn.fill, row)
        found[count] = [percentile(times.taken[what], 0.5) for what in ("first", "again", "fill")]
    return found


def show(title: str, times: Times) -> None:
    """Print a table."""
    print(
        f"\n{title}: {times.admitted} of {times.schemas} schemas admitted, {len(times.taken['turn'])} masks, "
        f"{times.refused} values refused"
    )
    print(f"{'microseconds':20}{'p50':>10}{'p90':>10}{'p99':>10}{'p99.9':>11}{'max':>12}{'mean':>10}{'number':>9}")
    for what, found in sorted(times.taken.items()):
        middle, most, rare, rarest = (percentile(found, share) for share in (0.5, 0.9, 0.99, 0.999))
        print(f"{what:20}{middle:10.1f}{most:10.1f}{rare:10.1f}{rarest:11.1f}{max(found):12.1f}", end="")
        print(f"{sum(found) / len(found):10.1f}{len(found):9}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--schemas", type=Path, required=True, help="rows {name, schema, tests} as MaskBench has them")
    parser.add_argument("--end", default="<|im_end|>", help="the token that ends a turn (%(default)s)")
    parser.add_argument("--backend", action="append", choices=sorted(BACKENDS), help="one backend; all without it")
    parser.add_argument("--longest", type=int, default=400, help="tokens of a value that are written (%(default)s)")
    parser.add_argument("--seconds", type=float, default=600, help="limit for each backend and table (%(default)g)")
    arguments = parser.parse_args()
    tokenizer = read_tokenizer(arguments.tokenizer, arguments.end)
    samples = read_samples(arguments.schemas)
    functions = [sample for sample in samples if sample.is_function]
    others = [sample for sample in samples if not sample.is_function]
    factory = TurnFactory(TokenVocabulary(tokenizer), OCTUPUS.layout(tokenizer))
    for name in arguments.backend or BACKENDS:
        # The vocabulary's tables and the library's are made before anything is timed.
        factory.backends.named(name).start({"type": "object"}).fill(np.zeros(factory.vocabulary.words, dtype=np.uint32))
        known = measure(factory, name, functions, arguments.longest, arguments.seconds)
        show(f"{name}, tools of BFCL and Glaive", known)
        show(f"{name}, all", known + measure(factory, name, others, arguments.longest, arguments.seconds))
        print(f"\n{name:14}{'tools':>8}{'compile, first':>16}{'again':>10}{'first mask':>12}   microseconds")
        for count, (first, again, fill) in tool_counts(factory, name, functions).items():
            print(f"{'':14}{count:8}{first:16.0f}{again:10.0f}{fill:12.1f}")


if __name__ == "__main__":
    main()

"""How many tokens of real calls a constraint leaves no choice for, and how many forward passes that could save.

    python benchmarks/forced_tokens.py --tokenizer DIRECTORY --schemas maskbench_sample.jsonl [--corpora DIRECTORY]

DIRECTORY holds a tokenizer.json with hermes's control tokens, such as Qwen's with its 151k entries; octupus's are added
in memory. Turns are valid values of the schemas of BFCL and Glaive as one call each, and the calls of corpora whose
format octupus reads, as both dialects write them; each is replayed under its own tools. `auto` admits text, every tool
and further calls; `named` is the called tool and one call.

A token is forced when its mask allows it alone. A forced token needs no forward pass of its own: it goes through the
model together with the token behind it, as a prompt's tokens do. So a turn of n tokens, f of them forced, needs n - f
passes, and `at most` is n / (n - f): a bound on what one sequence can gain where a pass takes the same time for one
token as for a few. vLLM 0.29 has no way to append tokens that were not sampled, so nothing is saved there today.
`found` is the share of all tokens that `TurnConstraint.forced` names before their mask is made.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.progress import track
from schema_corpus import read_samples, read_tokenizer

from octupus.chat.dialect import Dialect
from octupus.chat.registry import DIALECTS
from octupus.chat.render import render
from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.data.examine import convert_row
from octupus.data.sources.detect import ROWS_LOOKED_AT, detect_format
from octupus.data.sources.reader import read_rows
from octupus.data.sources.registry import FORMATS
from octupus.decoding.admission import RefusedSchemaError, SchemaAdmission
from octupus.decoding.compiled_turn import CompiledTurn
from octupus.decoding.explain import Step, explain
from octupus.decoding.spec import AUTO, REQUIRED, TurnSpec, ValueSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.turn_state import Phase
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import ConversionError

CORPORA = (
    "hammer_eval/apibank_l1.json",
    "hammer_eval/toolalpaca.json",
    "llamafactory/glaive_toolcall_en_demo.json",
    "sealtools/test_in_domain.jsonl",
    "taubench/gpt-4o-airline.json",
)


@dataclass(frozen=True)
class Turn:
    """An assistant's turn with its tools."""

    tools: tuple[Tool, ...]
    message: Message


@dataclass
class Count:
    """Tokens of replayed turns."""

    turns: int = 0
    tokens: int = 0
    forced: int = 0
    found: int = 0
    arguments: int = 0
    forced_arguments: int = 0
    refused: int = 0
    """Turns whose tools are not admitted, or that break the rules: wrong keys, or keys in another order."""

    def add(self, steps: Sequence[Step], found: int) -> None:
        """Count one turn."""
        inside = [step for step in steps if step.phase == Phase.ARGUMENTS.value]
        self.turns += 1
        self.tokens += len(steps)
        self.forced += sum(step.forced for step in steps)
        self.found += found
        self.arguments += len(inside)
        self.forced_arguments += sum(step.forced for step in inside)


def turns_of_schemas(file: Path) -> Iterator[Turn]:
    """A call for each valid value of BFCL's and Glaive's schemas."""
    for sample in read_samples(file):
        if not sample.is_function:
            continue
        name = re.sub(r"^Glaiveai2K---|_[0-9a-f]{8}$", "", sample.name)
        tool = Tool(function=FunctionDefinition(name=name, description="", parameters=sample.schema))
        for value in sample.values:
            function = FunctionCall(name=name, arguments=json.dumps(value, ensure_ascii=False))
            yield Turn((tool,), Message(role="assistant", tool_calls=(ToolCall(id="call_0", function=function),)))


def turns_of_corpus(file: Path) -> Iterator[Turn]:
    """The assistants' turns with calls."""
    first = [row.value for row in islice(read_rows(file, "drop"), ROWS_LOOKED_AT)]
    convert = FORMATS[detect_format(first, file)].bind(file)
    for row in read_rows(file, "drop"):
        try:
            conversations = convert_row(row.value, convert)
        except ConversionError:
            continue
        for conversation in conversations:
            for message in conversation.messages:
                if message.role == "assistant" and message.tool_calls:
                    yield Turn(conversation.tools, message)


def specs(turn: Turn, admission: SchemaAdmission) -> dict[str, TurnSpec]:
    """The turn's rules by kind of choice. Raises RefusedSchemaError when a tool that is called is not admitted."""
    called = {call.function.name for call in turn.message.tool_calls}
    tools: dict[str, ValueSpec] = {}
    for tool in turn.tools:
        try:
            tools[tool.function.name] = admission.arguments(tool.function.parameters).value
        except RefusedSchemaError:
            if tool.function.name in called:
                raise
    found = {"auto": TurnSpec(tools, AUTO)}
    if len(turn.message.tool_calls) == 1 and called <= set(tools) and not turn.message.content:
        (name,) = called
        found["named"] = TurnSpec({name: tools[name]}, REQUIRED, parallel=False)
    return found


def named_by_forced(compiled: CompiledTurn, ids: Sequence[int]) -> int:
    """Number of tokens that `forced` names."""
    constraint, count, known = TurnConstraint(compiled), 0, 0
    for token_id in ids:
        if not known:
            known = len(constraint.forced())
        count += known > 0
        known -= known > 0
        constraint.accept(token_id)
    return count


def measure(turns: Sequence[Turn], dialect: Dialect, factory: TurnFactory) -> dict[str, Count]:
    """The counts by kind of choice."""
    admission = SchemaAdmission(factory, "llguidance")
    counts = {"auto": Count(), "named": Count()}
    for turn in track(turns, dialect.name, transient=True, disable=not sys.stdout.isatty()):
        rendered = render(Conversation(messages=(turn.message,)), dialect, factory.vocabulary.tokenizer)
        ids = [token_id for token_id, trained in zip(rendered.ids, rendered.trained, strict=True) if trained]
        try:
            found = specs(turn, admission)
        except RefusedSchemaError:
            counts["auto"].refused += 1
            continue
        for kind, spec in found.items():
            compiled = factory.compile(spec)
            explanation = explain(compiled, ids)
            if explanation.refused_at is not None or explanation.phases[-1].phase != Phase.DONE.value:
                counts[kind].refused += 1
            else:
                counts[kind].add(explanation.steps, named_by_forced(compiled, ids))
    return counts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--schemas", type=Path, required=True, help="rows {name, schema, tests} as MaskBench has them")
    parser.add_argument(
        "--corpora", type=Path, help=f"directory with {', '.join(CORPORA)}; what is not there is left out"
    )
    parser.add_argument("--end", default="<|im_end|>", help="the token that ends a turn (%(default)s)")
    parser.add_argument("--most", type=int, default=400, help="turns of each source (%(default)s)")
    arguments = parser.parse_args()
    sources = {"BFCL and Glaive": turns_of_schemas(arguments.schemas)}
    for name in CORPORA if arguments.corpora else ():
        if (arguments.corpora / name).exists():
            sources[name] = turns_of_corpus(arguments.corpora / name)
    turns = {name: list(islice(found, arguments.most)) for name, found in sources.items()}
    print(f"{'dialect':9}{'choice':8}{'turns of':44}{'turns':>6}{'not taken':>10}{'tokens':>8}", end="")
    print(f"{'arguments':>11}{'whole':>8}{'found':>8}{'at most':>9}")
    for dialect in DIALECTS.values():
        tokenizer = read_tokenizer(arguments.tokenizer, arguments.end, control_tokens=dialect.name == "octupus")
        factory = TurnFactory(TokenVocabulary(tokenizer), dialect.layout(tokenizer))
        for name, found in turns.items():
            for kind, count in measure(found, dialect, factory).items():
                print(f"{dialect.name:9}{kind:8}{name:44}{count.turns:6}{count.refused:10}", end="")
                if not count.turns:
                    print()
                    continue
                inside, whole = count.forced_arguments / count.arguments, count.forced / count.tokens
                passes = count.tokens / (count.tokens - count.forced)
                print(f"{count.tokens / count.turns:8.1f}{inside:11.1%}{whole:8.1%}", end="")
                print(f"{count.found / count.tokens:8.1%}{passes:8.2f}x")


if __name__ == "__main__":
    main()

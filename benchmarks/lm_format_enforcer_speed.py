"""Masks of lm-format-enforcer as it comes and as octupus drives it: microseconds, and every difference explained.

    python benchmarks/lm_format_enforcer_speed.py --tokenizer DIRECTORY [--schemas FILE] [--most N]

Both follow the same tokens side by side in one run. DIRECTORY holds a tokenizer.json, such as Qwen's with its 151k
entries; FILE holds schemas with instances, as MaskBench has them. Exits with 1 when a token is allowed by one alone
and no class of `explain` accounts for it.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lmformatenforcer import CharacterLevelParserConfig, JsonSchemaParser, TokenEnforcer, TokenEnforcerTokenizerData
from tokenizers import AddedToken, Tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.lm_format_enforcer import FormatEnforcerBackend
from octupus.decoding.strict_json import JsonReader, Position
from octupus.decoding.vocabulary import COMPLETE, Mask, TokenVocabulary, advance_utf8
from octupus.schema.normal import normalise
from octupus.schema.validation import validator

SCHEMAS = Path(__file__).parents[2] / "shared/corpora/json_schemas/maskbench_sample.jsonl"
SIMPLE = ("BFCL_", "Glaive")
WHITE_SPACE = " \t\n\r"
LONGEST_ARRAY = 20
Step = Callable[[int | None], Mask]


@dataclass(frozen=True)
class Case:
    """One schema in normal form with one instance that it admits and another made of it."""

    name: str
    schema: dict[str, Any]
    texts: tuple[str, str]


def cases(path: Path, backend: FormatEnforcerBackend, most: int) -> Iterator[Case]:
    """The schemas of simple tools that the backend admits and that have a valid instance."""
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        if not row["name"].startswith(SIMPLE):
            continue
        normal = normalise(row["schema"], closed=True)
        if normal.unexpressed or backend.check(normal):
            continue
        for instance in [test["data"] for test in row["tests"] if test["valid"]][:1]:
            other = varied(instance)
            if validator(normal.schema).is_valid(instance):
                changed = other if validator(normal.schema).is_valid(other) else instance
                texts = [json.dumps(value, ensure_ascii=False) for value in (instance, changed)]
                yield Case(row["name"], normal.schema, (texts[0], texts[1]))
                most -= 1
        if most <= 0:
            return


def varied(value: Any) -> Any:
    """Other arguments of the same shape."""
    if isinstance(value, dict):
        return {name: varied(member) for name, member in reversed(value.items())}
    if isinstance(value, list):
        return [varied(member) for member in [*value, *value[:1]]]
    if isinstance(value, str):
        return f"Ærø, {value[::-1]} (no. 7)"
    return value if isinstance(value, bool) or value is None else value + 38


class Stock:
    """The library as vLLM drives it, with bit masks."""

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        tokens: list[tuple[int, str, bool]] = []
        for token_id, data in enumerate(vocabulary.token_bytes):
            text = data.decode("utf-8", "replace")
            # A token that holds part of a character cannot be followed character by character.
            if text and "\ufffd" not in text:
                tokens.append((token_id, text, text.startswith(" ")))
        tokenizer = vocabulary.tokenizer
        self._vocabulary = vocabulary
        self._data = TokenEnforcerTokenizerData(tokens, tokenizer.decode, vocabulary.end, True, vocabulary.size)
        self.alphabet = frozenset(self._data.tokenizer_alphabet)

    def start(self, schema: dict[str, Any]) -> Step:
        """A function that takes the last token and gives the next mask."""
        config = CharacterLevelParserConfig(alphabet=self._data.tokenizer_alphabet)
        enforcer = TokenEnforcer(self._data, JsonSchemaParser(json.loads(json.dumps(schema)), config))
        ids: list[int] = []

        def step(token: int | None) -> Mask:
            if token is not None:
                ids.append(token)
            found: Mask = enforcer.get_allowed_tokens(ids).allowed_tokens.numpy().view(np.uint32)
            return found

        return step


def follow(backend: FormatEnforcerBackend, schema: dict[str, Any], row: Mask) -> Step:
    """As Stock.start, for octupus."""
    matcher = backend.start(schema)

    def step(token: int | None) -> Mask:
        if token is not None and not matcher.accept(token):
            raise SystemExit(f"a valid instance is refused by {schema}")
        matcher.fill(row)
        return row

    return step


def timed(step: Step, token: int | None, times: list[float]) -> Mask:
    """One step; its CPU seconds are added to `times`."""
    started = time.thread_time()
    mask = step(token)
    times.append(time.thread_time() - started)
    return mask


def explain(
    before: str, reader: JsonReader, token: bytes, ours: bool, alphabet: frozenset[str], items: int
) -> str | None:
    """Why one allows a token that the other does not; None when it should not be so."""
    if advance_utf8(COMPLETE, token) != COMPLETE:
        return "part of a character: only octupus follows it" if ours else None
    if ours:
        if items >= LONGEST_ARRAY:
            return "array beyond 20 items: stock stops there"
        if reader.position is Position.STRING and (b"\\" in token or b'"' in token[1:]):
            return "quote or backslash further inside a token: stock's short cut through strings passes over it"
        if not alphabet.issuperset(token.decode()):
            return "character that is no token by itself: stock does not know it"
        if " " * 13 in before + token.decode():
            return "13 spaces in a string: stock counts them as white space between tokens"
        return None
    return _looseness(reader, before[-1:], token.decode())


def _looseness(reader: JsonReader, previous: str, text: str) -> str | None:
    """What stock lets through that octupus refuses on purpose."""
    for character in text:
        following = reader.after(character)
        in_string = reader.position in (Position.STRING, Position.ESCAPE, Position.HEXADECIMAL)
        if following is None:
            return _refusal(reader, character, in_string)
        if not in_string and character in WHITE_SPACE and (character != " " or previous not in (",", ":")):
            return "white space that is not one space behind a comma or colon"
        if following.low_surrogate_due or (reader.position is Position.HEXADECIMAL and _is_surrogate(following)):
            return "escaped surrogate"
        if reader.position is Position.NUMBER and character in "eE" and "." not in reader.partial:
            return "exponent in an integer"
        reader, previous = following, character
    return None


def _is_surrogate(reader: JsonReader) -> bool:
    return reader.partial[:1] in ("d", "D") and reader.partial[1:2] > "7"


def _refusal(reader: JsonReader, character: str, in_string: bool) -> str:
    if in_string:
        return "control character in a string" if character < " " else "malformed or unpaired escape"
    if reader.position is Position.NUMBER:
        return "malformed number"
    return "comma before a closing bracket" if character in "}]" else "not JSON"


def compare(
    ours: Mask, stock: Mask, before: str, vocabulary: TokenVocabulary, alphabet: frozenset[str]
) -> Counter[str]:
    """The tokens that one mask alone allows, by why."""
    counted: Counter[str] = Counter()
    if not _beside(stock, vocabulary.end).any():
        counted["stock failed inside and allows the end of the turn alone"] = 1
        return counted
    reader = JsonReader()
    for character in before:
        following = reader.after(character)
        assert following is not None, "the instances are JSON"
        reader = following
    difference = ours[: len(stock)] ^ stock
    items = before[before.rfind("[") :].count(",") + 1
    for token in np.flatnonzero(np.unpackbits(difference.view(np.uint8), bitorder="little")).tolist():
        if token != vocabulary.end:
            is_ours = bool(ours[token >> 5] >> np.uint32(token & 31) & 1)
            data = vocabulary.token_bytes[token]
            reason = explain(before, reader, data, is_ours, alphabet, items)
            if reason is None and counted["unexplained"] < 3:
                print(f"unexplained: {'octupus' if is_ours else 'stock'} alone allows {data!r} behind {before[-60:]!r}")
            counted[reason or "unexplained"] += 1
    return counted


def _beside(mask: Mask, token: int) -> Mask:
    """The mask without one token."""
    others = mask.copy()
    others[token >> 5] &= ~np.uint32(1 << (token & 31))
    return others


def measure(
    found: list[Case], backend: FormatEnforcerBackend, stock: Stock, vocabulary: TokenVocabulary
) -> tuple[dict[str, list[float]], Counter[str], Counter[str]]:
    """CPU seconds of each step by column, differences by class, and the share of masks that are equal."""
    columns = ("stock", "cold", "again", "other arguments")
    times: dict[str, list[float]] = {column: [] for column in columns}
    classes: Counter[str] = Counter()
    masks: Counter[str] = Counter()
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    for case in found:
        first, other = map(vocabulary.tokenizer.encode, case.texts)
        theirs, cold = stock.start(case.schema), follow(backend, case.schema, row)
        for position, token in enumerate([None, *first]):
            stock_mask = timed(theirs, token, times["stock"])
            our_mask = timed(cold, token, times["cold"])
            before = vocabulary.tokenizer.decode(first[:position])
            different = compare(our_mask, stock_mask, before, vocabulary, stock.alphabet)
            masks["different" if different else "equal"] += 1
            classes += different
        for column, tokens in (("again", first), ("other arguments", other)):
            step = follow(backend, case.schema, row)
            for token in [None, *tokens]:
                timed(step, token, times[column])
    return times, classes, masks


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--schemas", type=Path, default=SCHEMAS)
    parser.add_argument("--most", type=int, default=60, help="schemas to measure")
    parser.add_argument("--end", default="<|im_end|>")
    arguments = parser.parse_args()
    logging.getLogger().addHandler(logging.NullHandler())
    inner = Tokenizer.from_file(str(arguments.tokenizer / "tokenizer.json"))
    inner.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    vocabulary = TokenVocabulary(ChatTokenizer(inner, arguments.end))
    started = time.thread_time()
    stock = Stock(vocabulary)
    print(f"tables of the tokenizer, once a process: stock {time.thread_time() - started:.1f} s", end="")
    started = time.thread_time()
    backend = FormatEnforcerBackend(vocabulary)
    warm_up = follow(backend, {"type": "string"}, np.zeros(vocabulary.words, dtype=np.uint32))
    for token in [None, *vocabulary.tokenizer.encode('"a"')]:
        warm_up(token)
    print(f", octupus {time.thread_time() - started:.1f} s")
    found = list(cases(arguments.schemas, backend, arguments.most))
    times, classes, masks = measure(found, backend, stock, vocabulary)
    print(f"{len(found)} schemas, {len(times['stock'])} masks; CPU microseconds to take a token and fill the next mask")
    print(f"{'':18}{'mean':>10}{'p50':>10}{'p99':>10}{'max':>12}{'stock mean / mean':>20}")
    for column, seconds in times.items():
        cells = np.array([np.mean(seconds), *np.percentile(seconds, [50, 99]), np.max(seconds)]) * 1e6
        shown = "".join(f"{cell:10.1f}" for cell in cells[:3])
        print(f"{column:18}{shown}{cells[3]:12.1f}{np.mean(times['stock']) * 1e6 / cells[0]:20.1f}")
    print(f"masks: {masks['equal']} equal, {masks['different']} different; tokens that one alone allows, by why:")
    for reason, count in classes.most_common():
        print(f"{count:10}  {reason}")
    sys.exit(1 if classes["unexplained"] else 0)


if __name__ == "__main__":
    main()

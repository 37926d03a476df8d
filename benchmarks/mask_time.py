"""What a TurnConstraint costs beside its bare backend: time to fill a mask, microseconds, side by side in one run.

    python benchmarks/mask_time.py --tokenizer DIRECTORY

DIRECTORY holds a tokenizer.json, such as Qwen's with its 151k entries; the control tokens are added in memory.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import quantiles

import numpy as np
from tokenizers import AddedToken, Tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import BACKENDS, Backends
from octupus.decoding.turn import TurnConstraint, TurnSpec
from octupus.decoding.vocabulary import TokenVocabulary

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "days", "unit"],
}
ARGUMENTS = '{"city": "Ulaanbaatar", "days": 12, "unit": "celsius"}'
ROUNDS = 8


def measure(backends: Backends, name: str) -> tuple[list[float], list[float]]:
    """Seconds for each mask inside the arguments: the bare matcher's, and the turn's."""
    backend, vocabulary = backends.named(name), backends.vocabulary
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    tokens = vocabulary.tokenizer.encode(ARGUMENTS)
    opening = [vocabulary.call, *vocabulary.tokenizer.encode("get_weather"), vocabulary.parameters]
    bare: list[float] = []
    whole: list[float] = []
    for _ in range(ROUNDS):
        matcher = backend.start(SCHEMA)
        turn = TurnConstraint(TurnSpec({"get_weather": SCHEMA}, backend=name), vocabulary, backend)
        turn.accept_all(opening)
        for token in tokens:
            for target, fill in ((bare, matcher.fill), (whole, turn.fill)):
                started = time.perf_counter()
                fill(row)
                target.append(time.perf_counter() - started)
            matcher.accept(token)
            turn.accept(token)
    return bare, whole


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--end", default="<|im_end|>")
    arguments = parser.parse_args()
    inner = Tokenizer.from_file(str(arguments.tokenizer / "tokenizer.json"))
    inner.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    backends = Backends(TokenVocabulary(ChatTokenizer(inner, arguments.end)))
    print(f"{'backend':20} {'bare p50':>9} {'turn p50':>9} {'ratio':>6} {'bare p99':>9} {'turn p99':>9}   microseconds")
    for name in BACKENDS:
        bare, whole = (quantiles(times, n=100) for times in measure(backends, name))
        cells = [bare[49], whole[49], whole[49] / bare[49], bare[98], whole[98]]
        shown = [f"{cells[0] * 1e6:9.1f}", f"{cells[1] * 1e6:9.1f}", f"{cells[2]:6.2f}"]
        print(f"{name:20}", *shown, *(f"{cell * 1e6:9.1f}" for cell in cells[3:]))


if __name__ == "__main__":
    main()

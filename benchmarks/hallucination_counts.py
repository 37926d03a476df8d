"""Hallucinating answers of ToolBench's converted files, beside an independent count of the same rows.

    python benchmarks/hallucination_counts.py --converted DIRECTORY

The directory holds toolbench/tooleval_converted_gpt35_CoT, whole or in part. `whole` is the count over all 100 rows of
a file. Exits with 1 where the two counts differ.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from octupus.agent.judge.converted import read_answers
from octupus.agent.judge.hallucination import hallucinations

WHOLE = {
    "G1_category": 2,
    "G1_instruction": 1,
    "G1_tool": 5,
    "G2_category": 16,
    "G2_instruction": 9,
    "G3_instruction": 9,
}
_NAME = re.compile(r"'name': '([^']*)'")


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--converted", type=Path, required=True)
    directory = parser.parse_args().converted
    equal = True
    print(f"{'file':<16}{'answers':>8}{'hallucinating':>15}{'calls':>7}{'independent':>13}{'calls':>7}{'whole':>7}")
    for name, whole in WHOLE.items():
        path = directory / f"{name}.json"
        found = hallucinations(read_answers(path).values())
        answers, calls = independent(json.loads(path.read_text(encoding="utf-8")))
        equal &= (found.hallucinating, found.not_offered) == (answers, calls)
        counts = f"{found.answers:>8}{found.hallucinating:>15}{found.not_offered:>7}{answers:>13}{calls:>7}{whole:>7}"
        print(f"{name:<16}{counts}")
    print("equal" if equal else "DIFFERENT")
    return 0 if equal else 1


def independent(rows: dict[str, Any]) -> tuple[int, int]:
    """Hallucinating answers and such calls, by recursion over the raw JSON and one pattern."""
    counts = []
    for row in rows.values():
        offered = [tool["name"] for tool in row["available_tools"]]
        counts.append(sum(name not in [*offered, "Finish"] for name in names_below(row["answer"]["answer_details"])))
    return sum(count > 0 for count in counts), sum(counts)


def names_below(nodes: list[dict[str, Any]]) -> list[str]:
    """The called names of nodes and all that follow them."""
    names = []
    for node in nodes:
        if node["role"] == "tool":
            message = node["message"]
            names.append(message["name"] if isinstance(message, dict) else _NAME.search(message).group(1))  # type: ignore[union-attr]
        names += names_below(node["next"])
    return names


if __name__ == "__main__":
    sys.exit(main())

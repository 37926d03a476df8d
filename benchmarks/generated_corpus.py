"""Generated conversations for the data line's benchmarks: the sizes and faults of real corpora, none of their text."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from tokenizers import AddedToken, Tokenizer

from octupus.chat.octupus import OCTUPUS

_SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvw" for vowel in ("a", "e", "i", "o", "u", "ai", "or")]
_HAN = "天地人山水火风雨日月星云春夏秋冬东西南北大小多少上下左右前后来去见闻说话读书写字走路开门关窗买卖吃喝看听想做"


class Generator:
    """Rows in OpenAI's form: two in three with tools, one in four Chinese, one in twenty faulty or a repetition.

    `brief` rows say a sentence or two and have one tool, so that a million of them take minutes.
    """

    def __init__(self, seed: int, brief: bool = False) -> None:
        self.brief = brief
        random = Random(seed)
        words = ["".join(random.choices(_SYLLABLES, k=random.randint(1, 4))) for _ in range(8000)]
        self.sentences = {
            "en": [" ".join(random.choices(words, k=random.randint(5, 16))).capitalize() + "." for _ in range(20_000)],
            "zh": ["".join(random.choices(_HAN, k=random.randint(6, 24))) + "。" for _ in range(20_000)],
        }
        self.tools = [_tool(random, number, self.sentences["en"]) for number in range(500)]
        self.words = words

    def row(self, number: int) -> dict[str, Any]:
        """The row of that number, the same in every run."""
        random = Random(number)
        if number > 1000 and random.random() < 0.03:
            repeated = self.row(random.randrange(1000))
            if random.random() < 0.5:
                repeated["messages"][0]["content"] += " " + random.choice(self.words)
            return repeated
        language = "zh" if random.random() < 0.25 else "en"
        # Lengths of real corpora spread over two orders of magnitude.
        length = 1 if self.brief else min(120, max(1, int(random.lognormvariate(1.9, 0.8))))
        if random.random() < 0.33:
            turns = random.choice((1, 1, 2, 3))
            messages = []
            for _ in range(turns):
                messages += [
                    {"role": "user", "content": self._said(random, language, 2)},
                    {"role": "assistant", "content": self._said(random, language, length)},
                ]
            return {"messages": messages}
        return self._calling(random, language, length, faulty=random.random() < 0.02)

    def _said(self, random: Random, language: str, sentences: int) -> str:
        joiner = "" if language == "zh" else " "
        return joiner.join(random.choices(self.sentences[language], k=sentences))

    def _calling(self, random: Random, language: str, length: int, faulty: bool) -> dict[str, Any]:
        tools = random.sample(self.tools, 1 if self.brief else random.choice((1, 2, 3, 5)))
        name = "unknown" if faulty else tools[0]["function"]["name"]
        value = random.choice(self.words)
        arguments = json.dumps({"query": value, "limit": random.randint(1, 9)})
        call = {"id": "call_0", "type": "function", "function": {"name": name, "arguments": arguments}}
        messages = [
            {"role": "user", "content": f"{self._said(random, language, 2)} {value}"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0", "content": json.dumps({"result": random.random()})},
            {"role": "assistant", "content": self._said(random, language, max(1, length // 2))},
        ]
        return {"messages": messages, "tools": json.dumps(tools)}


def write_corpus(path: Path, rows: int, seed: int = 0, brief: bool = False) -> None:
    """A .jsonl file of generated rows."""
    generator = Generator(seed, brief)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            stream.write(json.dumps(generator.row(number), ensure_ascii=False) + "\n")


def write_model(directory: Path, tokenizer: Path) -> Path:
    """A model directory that holds only a tokenizer: the given one's, with the control tokens."""
    directory.mkdir(parents=True, exist_ok=True)
    loaded = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    loaded.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    loaded.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_bytes((tokenizer / "tokenizer_config.json").read_bytes())
    return directory


def _tool(random: Random, number: int, sentences: list[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "query": {"type": "string", "description": random.choice(sentences)},
        "limit": {"type": "integer", "description": random.choice(sentences)},
    }
    for extra in range(random.randint(0, 3)):
        properties[f"option_{extra}"] = {"type": "string", "enum": ["a", "b", "c"]}
    parameters = {"type": "object", "properties": properties, "required": ["query"]}
    function = {"name": f"tool_{number}", "description": random.choice(sentences), "parameters": parameters}
    return {"type": "function", "function": function}

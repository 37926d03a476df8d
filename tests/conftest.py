"""Fixtures every layer shares: a small byte-level tokenizer with the control tokens, made in the process."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer

from .teacher_server import TeacherServer

# How long an example takes says more about the machine's load than about the code.
hypothesis.settings.register_profile("octupus", deadline=None, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)  # HYPOTHESIS_PROFILE=thorough
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "octupus"))

SHARED = Path(__file__).parents[2] / "shared"

TEXTS = [
    'What is the weather in Paris? {"city": "Paris", "days": 3, "unit": "celsius"}',
    "get_weather get_weather_daily get search_flights book-table user assistant system",
    "今天北京的天气怎么样？ 请帮我查询航班。",
]


def write_tokenizer(directory: Path, control_tokens: bool = True) -> Path:
    """A byte-level BPE tokenizer of some 400 tokens, as files of a model directory."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 20, trainer)
    if control_tokens:
        tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {"eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    return directory


@pytest.fixture(scope="session")
def tokenizer_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def tokenizer(tokenizer_directory: Path) -> ChatTokenizer:
    return ChatTokenizer.from_directory(tokenizer_directory)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """A path in the folder of real data that may lie beside the checkout; the test is skipped where it does not."""

    def path(name: str) -> Path:
        if not (SHARED / name).exists():
            pytest.skip(f"{name} is not beside this checkout")
        return SHARED / name

    return path


@pytest.fixture
def teacher() -> Iterator[TeacherServer]:
    """A chat endpoint on 127.0.0.1 that fails as it is told."""
    server = TeacherServer()
    yield server
    server.close()

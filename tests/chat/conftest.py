"""Models to talk to: the octupus dialect, and small tokenizers with the added tokens of Qwen2.5 and Qwen3."""

from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer

from octupus.chat.hermes import RESPONSE, RESPONSE_END, THINK, THINK_END
from octupus.chat.registry import ModelChat, model_chat
from tests.conftest import write_tokenizer

CALLS = ["<tool_call>", "</tool_call>", "<|fim_prefix|>"]
THINKS = [RESPONSE, RESPONSE_END, THINK, THINK_END]


def write_qwen(directory: Path, thinks: bool) -> Path:
    """A small tokenizer whose added tokens are special where Qwen's are, and not where Qwen's are not."""
    file = write_tokenizer(directory, control_tokens=False) / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.add_special_tokens([AddedToken("<|im_start|>", normalized=False)])
    ordinary = CALLS + (THINKS if thinks else [])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in ordinary])
    tokenizer.save(str(file))
    return directory


@pytest.fixture(scope="session")
def directories(tmp_path_factory: pytest.TempPathFactory, tokenizer_directory: Path) -> dict[str, Path]:
    """Model directories by name."""
    parent = tmp_path_factory.mktemp("models")
    return {
        "octupus": tokenizer_directory,
        "qwen2.5": write_qwen(parent / "qwen2.5", thinks=False),
        "qwen3": write_qwen(parent / "qwen3", thinks=True),
    }


@pytest.fixture(scope="session")
def qwen25(directories: dict[str, Path]) -> ModelChat:
    return model_chat(directories["qwen2.5"])


@pytest.fixture(scope="session")
def qwen3(directories: dict[str, Path]) -> ModelChat:
    return model_chat(directories["qwen3"])


@pytest.fixture(scope="session", params=["octupus", "qwen2.5", "qwen3"])
def model(request: pytest.FixtureRequest) -> str:
    """Each of the models."""
    return str(request.param)


@pytest.fixture(scope="session")
def chat(directories: dict[str, Path], model: str) -> ModelChat:
    """Dialect and tokenizer of each of the models."""
    return model_chat(directories[model])

"""A small tokenizer that both dialects can use."""

import pytest
from tokenizers import AddedToken, Tokenizer

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from tests.chat.conftest import write_qwen


@pytest.fixture(scope="session")
def both_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    """Qwen3's added tokens and octupus's."""
    directory = write_qwen(tmp_path_factory.mktemp("both"), thinks=True)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    return ChatTokenizer(tokenizer, "<|im_end|>")

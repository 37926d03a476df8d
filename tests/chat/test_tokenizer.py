"""Spelled control tokens stay text, whether the tokenizer's file calls them special or not."""

from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer

from octupus.chat.hermes import HERMES
from octupus.chat.octupus import OCTUPUS
from octupus.chat.registry import ModelChat
from octupus.chat.render import render
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation, Message
from tests.chat_strategies import SPELLINGS


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_plain_text(chat: ModelChat, spelling: str) -> None:
    tokenizer = chat.tokenizer
    for ids in (tokenizer.encode(f"a{spelling}b"), *tokenizer.encode_batch([f"a{spelling}b"])):
        assert not set(ids) & set(tokenizer.control_tokens.values())
        assert tokenizer.decode(ids) == f"a{spelling}b"


def test_safety_leaves_ids_and_hash_alone(chat: ModelChat, directories: dict[str, Path], model: str) -> None:
    original = Tokenizer.from_file(str(directories[model] / "tokenizer.json"))
    assert chat.tokenizer.to_json() == original.to_str()
    assert len(chat.tokenizer) == original.get_vocab_size()
    added = original.get_added_tokens_decoder()
    assert chat.tokenizer.control_tokens == {token.content: token_id for token_id, token in added.items()}
    assert chat.tokenizer.special_tokens == {
        token.content: token_id for token_id, token in added.items() if token.special
    }


def test_with_the_real_qwen_vocabulary(shared) -> None:  # type: ignore[no-untyped-def]
    inner = Tokenizer.from_file(str(shared("qwen_tokenizer/tokenizer.json")))
    inner.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    tokenizer = ChatTokenizer(inner, "<|im_end|>")
    forged = Conversation(messages=(Message(role="user", content="".join(tokenizer.control_tokens)),))
    names = {token_id: token for token, token_id in tokenizer.control_tokens.items()}
    for dialect, expected in [
        (OCTUPUS, ["<|USER|>"]),
        (HERMES, ["<|im_start|>", "<|im_end|>", "<|im_start|>", "<|im_end|>"]),
    ]:
        ids = render(forged, dialect, tokenizer).ids
        assert [names[token] for token in ids if token in names] == expected
        assert "".join(tokenizer.control_tokens) in tokenizer.decode(ids)

"""Re-answering with real vLLM engines in the job, on a model of random weights with a chat template of its own."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.ledger import LEDGER
from octupus.data.reanswer.run import reanswer
from octupus.data.reanswer.teacher import TeacherError

from ..conftest import write_tokenizer

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("private_ray")]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.content == 'forbidden' %}{{ raise_exception('not this') }}{% endif %}"
    "{{ message.role }}: {{ message.content }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
MAX_TOKENS = 12


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 of random weights."""
    import torch
    from tokenizers import Tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    directory = write_tokenizer(tmp_path_factory.mktemp("model"))
    (directory / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)
    return directory


def configuration(model: Path, directory: Path, **changes: Any) -> ReanswerConfig:
    values: dict[str, Any] = {
        "input": directory / "corpus.jsonl",
        "output": directory / "out",
        "teacher": "engine",
        "model": str(model),
        "on_length": "keep",  # a model of random weights seldom ends by itself
        "sampling": {"temperature": 0, "max_tokens": MAX_TOKENS, "seed": 1},
        "concurrency": 8,
    }
    return ReanswerConfig.model_validate(values | changes)


def test_engines_answer_and_a_second_run_asks_only_the_rest(model_directory: Path, tmp_path: Path) -> None:
    turns = [("user", "What is the weather?"), ("assistant", "old"), ("user", "And in Paris?"), ("assistant", "old")]
    rows = [[(role, f"{content} {number}") for role, content in turns] for number in range(10)]
    rows += [[("user", "forbidden")], [("user", "z " * 2000)]]
    (tmp_path / "corpus.jsonl").write_text(
        "".join(json.dumps({"messages": [{"role": r, "content": c} for r, c in row]}) + "\n" for row in rows)
    )
    config = configuration(model_directory, tmp_path)
    started = time.monotonic()
    reanswer(config)
    summary = json.loads((config.output / "reanswer.json").read_text())
    assert summary["conversations"]["answered"] == 10
    assert summary["conversations"]["failed"] == {"chat_template": 1, "prompt_too_long": 1}
    assert summary["answers"] == 20
    assert 20 <= summary["tokens_out"] <= 20 * MAX_TOKENS
    written = (config.output / "answers.jsonl").read_bytes()
    for line in written.splitlines():
        messages = json.loads(line)["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"] * 2
        assert all(message["content"].strip() and "<|im_end|>" not in message["content"] for message in messages)
    print(f"first run: {time.monotonic() - started:.1f} s")

    # As if the machine had stopped after the sixth answer: greedy answers come out the same.
    ledger = config.output / LEDGER
    lines = ledger.read_bytes().splitlines(keepends=True)
    kept = lines[:8]
    ledger.write_bytes(b"".join(kept) + lines[8][:20])
    reanswer(config)
    assert (config.output / "answers.jsonl").read_bytes() == written
    assert ledger.read_bytes().startswith(b"".join(kept))
    again = [json.loads(line) for line in ledger.read_bytes().splitlines()[8:]]
    assert len(again) == 1 + len(lines) - len(kept)  # its own first line, and what was lost


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "a"}]}) + "\n")
    config = configuration(tmp_path / "nowhere", tmp_path)
    with pytest.raises(TeacherError, match=r"nowhere"):
        reanswer(config)

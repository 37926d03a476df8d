"""Re-answering with real vLLM engines in the job, on a model of random weights with a chat template of its own."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.ledger import LEDGER, settings_of
from octupus.data.reanswer.recorder import Recorder
from octupus.data.reanswer.run import reanswer
from octupus.data.reanswer.source import input_sha256
from octupus.data.reanswer.teacher import TeacherError
from octupus.endpoint.outcome import Answer

from ..conftest import write_tokenizer

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("private_ray")]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.content == 'forbidden' %}{{ raise_exception('not this') }}{% endif %}"
    "{{ message.role }}: {{ message.content }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
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


def record_one(config: ReanswerConfig, answer: Answer) -> None:
    """A ledger as a killed run leaves it: one turn answered, and half a line."""

    async def record() -> None:
        config.output.mkdir()
        recorder = Recorder(config.output, settings_of(config, "openai_messages", input_sha256(config)))
        await recorder.open()
        await recorder.record((3, 0, 1), answer)
        os.close(recorder._lock)
        os.close(recorder._file)

    asyncio.run(record())
    with (config.output / LEDGER).open("ab") as stream:
        stream.write(b'{"row": 4, "pa')


def test_engines_answer_what_an_earlier_run_left(model_directory: Path, tmp_path: Path) -> None:
    turns = [("user", "What is the weather?"), ("assistant", "old"), ("user", "And in Paris?"), ("assistant", "old")]
    rows = [[(role, f"{content} {number}") for role, content in turns] for number in range(10)]
    rows += [[("user", "forbidden")], [("user", "z " * 2000)]]
    (tmp_path / "corpus.jsonl").write_text(
        "".join(json.dumps({"messages": [{"role": r, "content": c} for r, c in row]}) + "\n" for row in rows)
    )
    config = configuration(model_directory, tmp_path)
    record_one(config, Answer(content="It was said before.", tokens_out=MAX_TOKENS))
    reanswer(config)
    summary = json.loads((config.output / "reanswer.json").read_text())
    assert summary["conversations"]["answered"] == 10
    assert summary["conversations"]["failed"] == {"chat_template": 1, "prompt_too_long": 1}
    assert summary["answers"] == 20
    assert summary["runs"] == 2
    assert 20 <= summary["tokens_out"] <= 20 * MAX_TOKENS
    conversations = [
        json.loads(line)["messages"] for line in (config.output / "answers.jsonl").read_text().splitlines()
    ]
    for number, messages in enumerate(conversations):
        assert [message["role"] for message in messages] == ["user", "assistant"] * 2
        assert messages[2]["content"] == f"And in Paris? {number}"
        assert all(message["content"].strip() and "<|im_end|>" not in message["content"] for message in messages)
    assert conversations[3][1]["content"] == "It was said before."
    lines = [json.loads(line) for line in (config.output / LEDGER).read_bytes().splitlines()]
    asked = [(line["row"], line["turn"]) for line in lines if "row" in line]
    assert len(asked) == len(set(asked)) == 22


def test_an_engine_that_cannot_start_is_told_in_one_line(model_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "a"}]}) + "\n")
    config = configuration(model_directory, tmp_path, engine={"engine_kwargs": {"nonsense": 1}})
    with pytest.raises(TeacherError, match=r"engine_kwargs.*nonsense") as raised:
        reanswer(config)
    assert "\n" not in str(raised.value)

"""A small Qwen2 of random weights and its own byte-level tokenizer: the base model of the quickstart."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from octupus.errors import CorpusError
from octupus.quickstart.config import SmallModelConfig
from octupus.quickstart.synthetic import write_corpora
from octupus.telemetry import event, write_json

logger = logging.getLogger("octupus.quickstart")

END_OF_TEXT, END_OF_TURN = "<|endoftext|>", "<|im_end|>"
# How text is cut before byte-pair merging. Runs of JSON punctuation and the fixed words of JSON Schema become single
# tokens, since most of a small prompt is schema; quotes and spaces stay apart from words, so that a value has the same
# ids in a request and in the arguments of a call; digits and Chinese characters stand alone.
_SPLIT = (
    r'[", :{}\[\]]*(?:(?<=")(?:type|properties|required|additionalProperties|enum|items|name|description|parameters)": '
    r'(?:false|"(?:string|integer|number|boolean|object|array)")?[", :{}\[\]]*)+'
    r'|["\[\]{}]+[:,]? ?["\[{]*|[\p{Han}]|[a-zA-Z_]+|\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+'
)


def make_small_model(config: SmallModelConfig) -> None:
    """Write the synthetic corpora, unless other text is named, and the model directory.

    What the same configuration made before is kept.
    """
    record = config.output / "small_model.json"
    made = config.model_dump(mode="json")
    if record.is_file() and json.loads(record.read_text("utf-8")) == made:
        event(logger, "small_model_reused", directory=config.output)
        return
    text = config.text
    if not text:
        corpora = config.corpora
        files = write_corpora(corpora.directory, corpora.seed, corpora.chat, corpora.calls)
        text = (files.chat, files.calls)
        event(logger, "corpora_written", chat=files.chat_rows, calls=files.calls_rows, directory=corpora.directory)
    _write_tokenizer(config, text)
    _write_weights(config)
    write_json(record, made)


def _write_tokenizer(config: SmallModelConfig, text: tuple[Path, ...]) -> None:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=[END_OF_TEXT, END_OF_TURN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(text), trainer)
    config.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(config.output / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config.max_position_embeddings,
    }
    (config.output / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")


def _write_weights(config: SmallModelConfig) -> None:
    import torch
    from tokenizers import Tokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = Tokenizer.from_file(str(config.output / "tokenizer.json"))
    torch.manual_seed(config.seed)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            # A few rows beyond the tokenizer, as Qwen2.5 has them.
            vocab_size=tokenizer.get_vocab_size() + 16,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=config.max_position_embeddings,
            initializer_range=config.initializer_range,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.token_to_id(END_OF_TURN),
            pad_token_id=tokenizer.token_to_id(END_OF_TEXT),
        )
    )
    model.save_pretrained(config.output)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    event(logger, "small_model_written", directory=config.output, parameters=parameters)


def _lines(files: tuple[Path, ...]) -> Iterator[str]:
    """The strings inside JSON files, unescaped, so that the tokenizer learns the text and not its escapes."""
    for file in files:
        if not file.is_file():
            raise CorpusError(f"corpus {file} does not exist")
        text = file.read_text(encoding="utf-8", errors="replace")
        for value in _json_values(text):
            yield from _strings(value)


def _json_values(text: str) -> Iterator[object]:
    try:
        yield json.loads(text)
    except ValueError:
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # a broken line is the data preparation's to report
                yield line


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)

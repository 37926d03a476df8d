"""A tiny Qwen2 with a tokenizer trained in this process, and synthetic packs for it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2Config, Qwen2ForCausalLM

from octupus.chat.octupus import OCTUPUS
from octupus.chat.registry import model_chat
from octupus.chat.render import render
from octupus.conversation import Conversation, Message
from octupus.data.manifest import Manifest, Shard, file_sha256, write_manifest
from octupus.train.config import VocabularyConfig
from octupus.train.model.vocabulary import edit_vocabulary

END = "<|endoftext|>"
WORDS = "system user assistant content tool call arguments tool response what is the colour of snow white sky blue"


def write_base_model(
    directory: Path, *, tied: bool = True, padding_rows: int = 0, layers: int = 2, hidden: int = 64
) -> Path:
    """A base model without control tokens; its embedding matrix has `padding_rows` rows beyond the tokenizer."""
    directory.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([WORDS] * 20, trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": END}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=tokenizer.get_vocab_size() + padding_rows,
        hidden_size=hidden,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)
    return directory


def write_packs(directory: Path, model: Path, *, packs: int = 20, documents: int = 4, shards: int = 2) -> Path:
    """A prepared directory of small conversations rendered for `model`."""
    directory.mkdir(parents=True)
    chat = model_chat(model)
    colours = ["white", "blue", "red", "green", "black"]
    rows = []
    for pack in range(packs):
        ids: list[int] = []
        trained: list[bool] = []
        lengths = []
        for position in range(documents):
            number = pack * documents + position
            conversation = Conversation(
                messages=(
                    Message(role="system", content="be short"),
                    Message(role="user", content=f"what is the colour of thing {number}?"),
                    Message(role="assistant", content=f"{colours[number % 5]} is the colour"),
                )
            )
            rendered = render(conversation, OCTUPUS, chat.tokenizer)
            ids += rendered.ids
            trained += rendered.trained
            lengths.append(len(rendered.ids))
        rows.append({"input_ids": ids, "trained": trained, "lengths": lengths})
    schema = pa.schema(
        {"input_ids": pa.list_(pa.int32()), "trained": pa.list_(pa.bool_()), "lengths": pa.list_(pa.int32())}
    )
    entries = []
    share = -(-packs // shards)
    for shard in range(shards):
        part = rows[shard * share : (shard + 1) * share]
        file = directory / f"packs-{shard:05d}.parquet"
        pq.write_table(pa.Table.from_pylist(part, schema=schema), file, row_group_size=3)
        entries.append(Shard(file=file.name, sha256=file_sha256(file), packs=len(part)))
    tokens = sum(len(row["input_ids"]) for row in rows)
    manifest = Manifest(
        packs=packs,
        tokens=tokens,
        trained_tokens=sum(sum(row["trained"]) for row in rows),
        conversations=packs * documents,
        token_budget=256,
        fill=tokens / (256 * packs),
        seed=0,
        dialect="octupus",
        tokenizer_sha256=chat.tokenizer.sha256,
        template_sha256="",
        code_sha256="",
        shards=tuple(entries),
        sources={},
        mixture=(),
        augmented={},
        kinds={},
        languages={},
        flags={},
        inputs=(),
    )
    write_manifest(directory, manifest)
    return directory


def write_workspace(directory: Path, packs: int = 20) -> None:
    """What a stage needs, below `directory`: `model`, a base model with control tokens, and `data`, packs for it."""
    base = write_base_model(directory / "base")
    edit_vocabulary(VocabularyConfig(base=base, output=directory / "model"))
    write_packs(directory / "data", directory / "model", packs=packs)

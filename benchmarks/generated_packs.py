"""A small model with random weights, and packs of random tokens for it, for the training benchmarks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from octupus.chat.registry import model_chat
from octupus.data.manifest import Manifest, Shard, file_sha256, write_manifest
from octupus.data.pack import pack
from octupus.train.config import VocabularyConfig

VOCABULARY = 8192
BUDGET = 1024
LENGTH_SPREAD = 0.9
"""Standard deviation of the logarithm of a document's length; batches of 6 padded to the longest are then 0.41 full."""


@dataclass(frozen=True, eq=False)
class Document:
    """A conversation's tokens: int64 ids, and from where on they are trained."""

    ids: NDArray[np.int64]
    trained_from: int

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Of each token, whether it is trained."""
        return np.arange(len(self.ids)) >= self.trained_from


def write_model(directory: Path) -> Path:
    """A Qwen2 of 19 million parameters with octupus's control tokens; returns its directory, below `directory`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from octupus.train.model.vocabulary import edit_vocabulary

    base = directory / "base"
    base.mkdir(parents=True)
    end = "<|endoftext|>"
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), end]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([end])
    tokenizer.save(str(base / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end, "pad_token": end}
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,  # the rows beyond the tokenizer are there for the random ids
        hidden_size=448,
        intermediate_size=1312,
        num_hidden_layers=6,
        num_attention_heads=7,
        num_key_value_heads=7,
        max_position_embeddings=BUDGET,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).save_pretrained(base)
    return edit_vocabulary(VocabularyConfig(base=base, output=directory / "model"))


def generate_documents(number: int, mean_length: float, seed: int = 0) -> list[Document]:
    """Documents of lognormal length, about half of whose tokens are trained."""
    random = np.random.default_rng(seed)
    mean_log = np.log(mean_length) - LENGTH_SPREAD**2 / 2
    lengths = np.clip(np.exp(random.normal(mean_log, LENGTH_SPREAD, number)), 16, BUDGET).astype(int)
    return [Document(random.integers(0, VOCABULARY, length), int(random.integers(1, length - 1))) for length in lengths]


def pack_documents(documents: list[Document]) -> list[list[Document]]:
    """Packs of at most BUDGET tokens, made as data preparation makes them."""
    lengths = [len(document.ids) for document in documents]
    return [[documents[place] for place in places] for places in pack(lengths, BUDGET, window=len(lengths), seed=0)]


def write_prepared(directory: Path, packs: list[list[Document]], model: Path) -> Path:
    """A prepared directory of these packs, in one shard."""
    directory.mkdir(parents=True)
    file = directory / "packs-00000.parquet"
    rows = [_row(documents) for documents in packs]
    schema = pa.schema(
        {"input_ids": pa.list_(pa.int32()), "trained": pa.list_(pa.bool_()), "lengths": pa.list_(pa.int32())}
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, row_group_size=64)
    tokens = sum(len(row["input_ids"]) for row in rows)
    manifest = Manifest(
        packs=len(packs),
        tokens=tokens,
        trained_tokens=sum(sum(row["trained"]) for row in rows),
        conversations=sum(map(len, packs)),
        token_budget=BUDGET,
        fill=tokens / (BUDGET * len(packs)),
        seed=0,
        dialect="octupus",
        tokenizer_sha256=model_chat(model).tokenizer.sha256,
        template_sha256="",
        code_sha256="",
        shards=(Shard(file=file.name, sha256=file_sha256(file), packs=len(packs)),),
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


def _row(documents: list[Document]) -> dict[str, Any]:
    return {
        "input_ids": np.concatenate([document.ids for document in documents]).tolist(),
        "trained": np.concatenate([document.trained for document in documents]).tolist(),
        "lengths": [len(document.ids) for document in documents],
    }

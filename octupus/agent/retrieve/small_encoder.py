"""A small encoder with random weights and a tokenizer of its own, so that retrieval works without any download."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from octupus.agent.retrieve.config import SmallEncoderConfig

LONGEST = 512
_LEAST_WEIGHT = 0.05
_EMBEDDING_SCALE = 0.05
"""Normalisation makes all scales alike at first; a small one lets steps of an optimizer turn vectors sooner."""
_SPECIAL = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def make_small_encoder(texts: Sequence[str], directory: Path, config: SmallEncoderConfig, seed: int = 0) -> None:
    """Write a BERT with random weights and a byte-level tokenizer that is trained on `texts`.

    It begins as an approximation of TF-IDF (`_begin_as_tf_idf`), so that two texts are alike by the rare words that
    they share before any training, and training starts from there.
    """
    tokenizer = _byte_pairs(texts, config.vocabulary)
    torch.manual_seed(seed)
    model = BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=2 * config.hidden_size,
            max_position_embeddings=LONGEST,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    _begin_as_tf_idf(model, _weights(tokenizer, texts))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def _begin_as_tf_idf(model: BertModel, weights: torch.Tensor) -> None:
    """Set weights so that a token's last vector has a random direction and the length `weights[token]`, up to a factor.

    Layers add nothing at first, and positions are alike. What would undo a token's length is the normalisation of each
    layer. So two dimensions, which the last normalisation leaves out, take up what a light token lacks: they hold +c
    and -c, of which the mean is 0, and the other dimensions are scaled down by the variance that these add.
    """
    size = model.config.hidden_size
    with torch.no_grad():
        model.embeddings.position_embeddings.weight.zero_()
        model.embeddings.token_type_embeddings.weight.zero_()
        vectors = model.embeddings.word_embeddings.weight.normal_()
        vectors *= weights.unsqueeze(1)
        rest = ((1 - weights**2) * (size / 2)).sqrt()
        vectors[:, 0], vectors[:, 1] = rest, -rest
        vectors *= _EMBEDDING_SCALE
        for layer in model.encoder.layer:
            layer.attention.output.dense.weight.zero_()
            layer.output.dense.weight.zero_()
        model.encoder.layer[-1].output.LayerNorm.weight[:2] = 0


def _weights(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> torch.Tensor:
    """For each token its inverse document frequency over `texts`: 1 for the rarest, and least for special tokens."""
    frequencies = torch.zeros(len(tokenizer))
    for encoding in tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False):
        frequencies[list(set(encoding.ids))] += 1
    weights = torch.log((len(texts) + 1) / (frequencies + 1)) / math.log(len(texts) + 1)
    weights[tokenizer.all_special_ids] = 0
    # Not 0: the vector of an empty text must have a direction.
    return weights.clamp(min=_LEAST_WEIGHT)


def _byte_pairs(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level pairs within words, without case and accents. WordPiece's trainer orders its alphabet by chance."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(_SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in (_SPECIAL["cls_token"], _SPECIAL["sep_token"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LONGEST, **_SPECIAL)

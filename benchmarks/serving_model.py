"""A small model of random weights that writes plain letters for ever, so that every server's answers are of one length.

The embedding's first dimension is the same large number for every token, so it survives to the last layer, where each
token's row of the output matrix turns it into a constant in favour of letters and against everything else: control
tokens, the end token, and bytes that are no text by themselves. The letters among themselves are left to chance.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_letters

SIGNAL = 8.0
TEXTS = ["What is the weather in Paris? get_weather city days unit celsius", "assistant user system tools 0123456789"]


def write_endless_model(directory: Path) -> Path:
    """A Qwen2 of two layers with octupus's control tokens and chat template."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    from octupus.chat.octupus import CONTENT, OCTUPUS
    from octupus.chat.tokenizer import ChatTokenizer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_end|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 20, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in OCTUPUS.control_tokens])
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "eos_token": "<|im_end|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps(settings))
    template = OCTUPUS.chat_template(ChatTokenizer.from_directory(directory))
    file.write_text(json.dumps(settings | {"chat_template": template}))
    vocabulary = AutoTokenizer.from_pretrained(directory).get_vocab()

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=vocabulary["<|im_end|>"],
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = SIGNAL
        constants = torch.full((len(vocabulary),), -SIGNAL)
        for token, token_id in vocabulary.items():
            if token in ascii_letters:
                constants[token_id] = SIGNAL
        constants[vocabulary[CONTENT]] = 0.0  # where a turn must begin with a control token, it is this one
        model.lm_head.weight[:, 0] = constants
    model.save_pretrained(directory)
    return directory

"""A model of random weights: whatever it would like to write, what comes out of an engine must be a valid turn."""

from pathlib import Path

from octupus.chat.registry import model_chat

from ..conftest import write_tokenizer


def write_random_model(directory: Path) -> Path:
    """A Qwen2 whose embedding matrix is padded beyond its tokenizer, as Qwen2.5's is."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    write_tokenizer(directory)
    tokenizer = model_chat(directory).tokenizer
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer) + 27,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.end_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)
    return directory

"""What one pack's forward and backward pass keep in memory, tensor by tensor, for the decoders of `flops.py`.

Held against what autograd saves (tests/train/test_estimate.py) and against the growth of a process
(benchmarks/plan_memory.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from octupus.train.config import LoraConfig
from octupus.train.estimate.flops import ModelShape

CHUNK_LOGITS = 1 << 24
"""Logits of a chunk of chunked cross-entropy: `chunked_loss.CHUNK_LOGITS`, which cannot be imported without torch."""
_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class PackSettings:
    """How a pack goes through the model."""

    tokens: int
    """Tokens of the pack."""
    trained_tokens: int
    """Positions whose logits are computed."""
    width: int
    """Bytes of one element of weights and activations: 4 for float32, 2 for bfloat16."""
    attention: str
    """sdpa, eager, packed or flash_attention_2; what is none of these counts as the last."""
    gradient_checkpointing: bool
    chunked_cross_entropy: bool
    lora: LoraConfig | None
    """None trains all weights."""


@dataclass(frozen=True, slots=True)
class PackMemory:
    """Bytes at the two moments at which a pack needs most."""

    at_loss: int
    """Activations that wait for the backward pass when the loss is computed."""
    logits: int
    """Logits, their logarithm of softmax and its gradients, while the loss's gradient is computed; gone after it."""
    at_layer: int
    """Activations in the backward pass of the last layer, what it makes itself included."""
    saved_logits: int
    """What autograd keeps of the logits between forward and backward pass; a part of `logits`."""


def pack_memory(shape: ModelShape, settings: PackSettings) -> PackMemory:
    """See PackMemory."""
    layer = _layer(shape, settings)
    # With gradient checkpointing a layer keeps its input, and all the rest only while it is computed again.
    kept = settings.width * settings.tokens * shape.hidden_size if settings.gradient_checkpointing else layer
    waiting = _shared(shape, settings) + shape.num_hidden_layers * kept
    recomputed = layer if settings.gradient_checkpointing else 0
    return PackMemory(
        at_loss=waiting + _head(shape, settings),
        logits=_logits(shape, settings),
        at_layer=waiting + recomputed + _backward(shape, settings),
        saved_logits=0 if settings.chunked_cross_entropy else _FLOAT32 * settings.trained_tokens * shape.vocab_size,
    )


def _layer(shape: ModelShape, settings: PackSettings) -> int:
    """What autograd saves for one decoder layer."""
    before_attention = _norm(shape, settings, ("q_proj", "k_proj", "v_proj"))
    before_mlp = _norm(shape, settings, ("gate_proj", "up_proj"))
    adapters = sum(_adapter(shape, settings, name) for name in shape.layer_matrices)
    return before_attention + _attention(shape, settings) + before_mlp + _mlp(shape, settings) + adapters


def _norm(shape: ModelShape, settings: PackSettings, readers: Iterable[str]) -> int:
    """An RMS norm: its input in float32, 1 / root of mean square, the normalized input, and its output.

    The normalized input is kept for the norm's weight, the output for the matrices that read it, if these are trained.
    """
    rows = settings.tokens * shape.hidden_size
    normalized = settings.width * rows if settings.lora is None else 0
    output = settings.width * rows if any(_input_kept(settings, name) for name in readers) else 0
    return _FLOAT32 * (rows + settings.tokens) + normalized + output


def _attention(shape: ModelShape, settings: PackSettings) -> int:
    """Queries, keys, values and output, which is also the input of o_proj, with what the kernel keeps of its softmax.

    Rotating by position keeps only cosines and sines, which all layers share.
    """
    tokens, width, heads = settings.tokens, settings.width, shape.num_attention_heads
    queries, keys = width * tokens * shape.attention_width, width * tokens * shape.key_value_width
    softmax = _FLOAT32 * tokens * heads  # logarithm of its denominator
    norms = 0
    if shape.head_norms:  # as _norm, on queries and keys, whose outputs are counted below as what is rotated
        elements = tokens * (shape.attention_width + shape.key_value_width)
        norms = (_FLOAT32 + (width if settings.lora is None else 0)) * elements
        norms += _FLOAT32 * tokens * (heads + shape.num_key_value_heads)
    if settings.attention == "sdpa":
        # With a mask transformers repeats keys and values for every query head, and PyTorch turns the boolean mask
        # into one of numbers, anew in each layer.
        return 4 * queries + softmax + width * tokens**2 + norms
    if settings.attention == "eager":  # whole matrices of weights: float32 softmax, and its copy in the model's type
        weights = heads * tokens**2 * (_FLOAT32 + (width if width != _FLOAT32 else 0))
        return 4 * queries + weights + norms
    if settings.attention == "packed":  # the outputs of documents, and these joined
        return 3 * queries + 2 * keys + softmax + norms
    return 2 * queries + 2 * keys + softmax + norms


def _mlp(shape: ModelShape, settings: PackSettings) -> int:
    """The gate before and after SiLU, the other factor, and their product, which down_proj reads."""
    kept = 3 + _input_kept(settings, "down_proj")
    return kept * settings.width * settings.tokens * shape.intermediate_size


def _adapter(shape: ModelShape, settings: PackSettings, name: str) -> int:
    """An adapter's middle, of rank elements; with dropout also its own input and a mask."""
    lora = settings.lora
    if lora is None or not _input_kept(settings, name):
        return 0
    inputs, _ = shape.layer_matrices[name]
    dropped = (settings.width + 1) * inputs if lora.dropout > 0 else 0
    return settings.tokens * (settings.width * lora.rank + dropped)


def _input_kept(settings: PackSettings, name: str) -> bool:
    """Whether a matrix's input is kept: for the gradient of its weight, or of its adapter's."""
    lora = settings.lora
    return lora is None or lora.target == "all-linear" or name in lora.target


def _shared(shape: ModelShape, settings: PackSettings) -> int:
    """Ids, positions and labels (int64), cosines and sines, and sdpa's boolean mask."""
    mask = settings.tokens**2 if settings.attention in ("sdpa", "eager") else 0
    return settings.tokens * (3 * 8 + 2 * settings.width * shape.head_dim) + mask


def _head(shape: ModelShape, settings: PackSettings) -> int:
    """The last norm, without its output, and the rows of it that the head reads."""
    read = settings.trained_tokens if settings.lora is None or settings.lora.train_control_tokens else 0
    return _norm(shape, settings, ()) + settings.width * read * shape.hidden_size


def _logits(shape: ModelShape, settings: PackSettings) -> int:
    """Logarithm of softmax, gradient of it, gradient of the logits, in float32: the most that exists at a time.

    In the forward pass there are at most two copies in float32 and one in the model's type. Chunked, a chunk of these,
    and the gradient of what the head reads in float32.
    """
    logits = settings.trained_tokens * shape.vocab_size
    if settings.chunked_cross_entropy:
        return _FLOAT32 * (3 * min(logits, CHUNK_LOGITS) + settings.trained_tokens * shape.hidden_size)
    return 3 * _FLOAT32 * logits


def _backward(shape: ModelShape, settings: PackSettings) -> int:
    """Gradients of activations inside one layer: of the MLP's two factors, or of queries, keys and values."""
    widest = max(2 * shape.intermediate_size, 3 * shape.attention_width)
    return settings.width * settings.tokens * (widest + shape.hidden_size)

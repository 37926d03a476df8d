"""A model's shape from its config.json: parameters by kind, and floating-point operations of training on packs.

Loads no torch. What is counted are *model* FLOPs: what the computation needs, not what a machine spends on it, so that
recomputing activations does not raise the utilization (MFU; Chowdhery et al. 2022, PaLM, arXiv 2204.02311, appendix B).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from octupus.errors import ConfigError

CONFIG_FILE = "config.json"


@dataclass(frozen=True, slots=True)
class _Family:
    """What a family of models has and its config.json does not say; None asks the `attention_bias` key."""

    query_bias: bool | None
    output_bias: bool | None
    head_norms: bool = False
    head_dim: int | None = None


# From transformers 5.23: models/{qwen2,qwen3,llama,mistral}/{configuration,modeling}_*.py.
_FAMILIES = {
    "llama": _Family(query_bias=None, output_bias=None),
    "mistral": _Family(query_bias=False, output_bias=False),
    "qwen2": _Family(query_bias=True, output_bias=False),
    "qwen3": _Family(query_bias=None, output_bias=None, head_norms=True, head_dim=128),
}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a dense decoder with grouped-query attention, RMS norms and a gated MLP."""

    vocab_size: int
    """Rows of the embedding matrix, padding rows too."""
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    tie_word_embeddings: bool
    query_bias: bool = False
    """Whether the projections to queries, keys and values have biases."""
    output_bias: bool = False
    """Whether the projection of attention's output has one."""
    mlp_bias: bool = False
    head_norms: bool = False
    """Whether queries and keys are normalized head by head."""

    @property
    def attention_width(self) -> int:
        """Elements of all query heads of one token."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_value_width(self) -> int:
        """Elements of all key heads of one token; of value heads too."""
        return self.num_key_value_heads * self.head_dim

    @property
    def layer_matrices(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of one layer's linear maps, by the name of their module."""
        hidden, inner = self.hidden_size, self.intermediate_size
        return {
            "q_proj": (hidden, self.attention_width),
            "k_proj": (hidden, self.key_value_width),
            "v_proj": (hidden, self.key_value_width),
            "o_proj": (self.attention_width, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def layer_matrix_parameters(self) -> int:
        """Weights of one layer's linear maps, without biases."""
        return sum(inputs * outputs for inputs, outputs in self.layer_matrices.values())

    @property
    def layer_parameters(self) -> int:
        """All parameters of one layer: matrices, biases, norms."""
        biases = self.query_bias * (self.attention_width + 2 * self.key_value_width)
        biases += self.output_bias * self.hidden_size
        biases += self.mlp_bias * (2 * self.intermediate_size + self.hidden_size)
        norms = 2 * self.hidden_size + self.head_norms * 2 * self.head_dim
        return self.layer_matrix_parameters + biases + norms

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the embedding matrix."""
        return self.vocab_size * self.hidden_size

    @property
    def head_parameters(self) -> int:
        """Parameters of the head that the embedding matrix does not serve as; 0 when they are tied."""
        return 0 if self.tie_word_embeddings else self.embedding_parameters

    @property
    def parameters(self) -> int:
        """All parameters, tied ones once."""
        layers = self.num_hidden_layers * self.layer_parameters
        return self.embedding_parameters + layers + self.hidden_size + self.head_parameters

    @property
    def largest_parameter(self) -> int:
        """Elements of the largest single parameter."""
        return max(self.embedding_parameters, *(rows * columns for rows, columns in self.layer_matrices.values()))

    def adapter_parameters(self, rank: int, target: Literal["all-linear"] | tuple[str, ...] = "all-linear") -> int:
        """Parameters of LoRA adapters: `rank * (inputs + outputs)` for each matrix that gets one.

        Raises ConfigError when `target` names a matrix that a layer does not have.
        """
        matrices = self.layer_matrices
        unknown = [] if target == "all-linear" else [name for name in target if name not in matrices]
        if unknown:
            raise ConfigError(f"lora.target {unknown[0]!r} is no linear layer; known: {', '.join(matrices)}")
        chosen = matrices if target == "all-linear" else target
        return self.num_hidden_layers * rank * sum(sum(matrices[name]) for name in chosen)


def read_model_shape(path: Path) -> ModelShape:
    """The shape that a config.json, or the one in a model's directory, describes; weights are not needed.

    Raises ConfigError when it is missing, damaged or of a family that is not known here.
    """
    file = path / CONFIG_FILE if path.is_dir() else path
    try:
        values = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the model's {CONFIG_FILE} at {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file} must hold a JSON object, not a {type(values).__name__}")
    return model_shape(values, str(file))


def model_shape(values: Mapping[str, Any], origin: str = CONFIG_FILE) -> ModelShape:
    """The shape that a Hugging Face configuration describes; `origin` says in errors where it came from."""
    kind = values.get("model_type")
    if kind not in _FAMILIES:
        raise ConfigError(f"{origin}: model_type {kind!r} is not known here; known: {', '.join(_FAMILIES)}")
    family = _FAMILIES[kind]
    heads = _size(values, "num_attention_heads", origin)
    hidden = _size(values, "hidden_size", origin)
    attention_bias = bool(values.get("attention_bias", False))
    return ModelShape(
        vocab_size=_size(values, "vocab_size", origin),
        hidden_size=hidden,
        intermediate_size=_size(values, "intermediate_size", origin),
        num_hidden_layers=_size(values, "num_hidden_layers", origin),
        num_attention_heads=heads,
        num_key_value_heads=_size(values, "num_key_value_heads", origin, heads),
        head_dim=_size(values, "head_dim", origin, family.head_dim or hidden // heads),
        tie_word_embeddings=bool(values.get("tie_word_embeddings", False)),
        query_bias=attention_bias if family.query_bias is None else family.query_bias,
        output_bias=attention_bias if family.output_bias is None else family.output_bias,
        mlp_bias=kind == "llama" and bool(values.get("mlp_bias", False)),
        head_norms=family.head_norms,
    )


def step_flops(
    shape: ModelShape,
    tokens: int,
    trained_tokens: int,
    squared_lengths: int,
    lora_rank: int | None = None,
    lora_target: Literal["all-linear"] | tuple[str, ...] = "all-linear",
) -> float:
    """Model FLOPs of forward and backward pass over packs; a multiply-add counts as two.

    tokens: real tokens of the packs, padding left out.
    trained_tokens: positions whose logits are computed.
    squared_lengths: sum over documents of their squared lengths; a document attends to itself alone.
    lora_rank, lora_target: adapters beside frozen weights, or None to train all weights.

    A weight costs 6 FLOPs a token: 2 forward, 2 for the gradient of its input, 2 for its own, which a frozen one does
    without. Causal attention of a document of n tokens multiplies n^2 / 2 pairs of queries and keys, and as many of
    weights and values: 2 * n^2 * attention_width forward in each layer, twice that backward. PaLM's appendix B counts
    whole squares; the half above the diagonal is left out here, since no kernel of ours computes it. Lookups, norms,
    biases, softmax and the optimizer are left out, as there.
    """
    weight_cost = 6 if lora_rank is None else 4
    dense = weight_cost * tokens * shape.num_hidden_layers * shape.layer_matrix_parameters
    head = weight_cost * trained_tokens * shape.embedding_parameters
    attention = 6 * squared_lengths * shape.attention_width * shape.num_hidden_layers
    adapters = 0 if lora_rank is None else 6 * tokens * shape.adapter_parameters(lora_rank, lora_target)
    return float(dense + head + attention + adapters)


def _size(values: Mapping[str, Any], key: str, origin: str, default: int | None = None) -> int:
    value = values.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"{origin}: {key} must be a positive whole number, not {value!r}")
    return value

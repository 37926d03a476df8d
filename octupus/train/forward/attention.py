"""Attention document by document: `attn_implementation="packed"`.

transformers' sdpa computes every pair of positions of a pack and masks those of different documents. This one
computes the pairs within documents only, which is less by about the number of documents in a pack.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from octupus.errors import TrainingError

PACKED = "packed"

UNSUPPORTED = ("softcap", "s_aux", "position_bias", "cache")
"""Arguments with which some models change what attention computes."""

LARGEST_FLASH_HEAD = 256


def register_attention() -> None:
    """Make `attn_implementation="packed"` known to transformers; calling it again changes nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(PACKED, packed_attention)
    # For calls that do not say where documents begin, which go to sdpa (see packed_attention).
    AttentionMaskInterface.register(PACKED, sdpa_mask)


def no_mask(device: torch.device) -> torch.Tensor:
    """What to pass as `attention_mask` together with `cu_seq_lens_q`.

    Without it, transformers would build the mask of all pairs of positions. A mask of four dimensions it passes on as
    it is; this one has no elements.
    """
    return torch.empty((1, 1, 0, 0), dtype=torch.bool, device=device)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document of one row; the signature is that of transformers' AttentionInterface.

    `query` is (1, heads, tokens, size), `key` and `value` may have fewer heads. `cu_seq_lens_q`, int32
    (documents + 1,), says where documents begin and `max_length_q` how long the longest is. Returns
    (1, tokens, heads, size). Calls without `cu_seq_lens_q`, as in generation, get transformers' sdpa. Raises
    TrainingError for what it cannot compute.
    """
    if cu_seq_lens_q is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        _refuse(attention_mask is not None and attention_mask.numel() == 0, "no_mask() needs cu_seq_lens_q beside it")
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, is_causal, **others
        )
        return output
    _refuse(attention_mask is not None and attention_mask.numel() > 0, "pass no_mask() as the attention_mask")
    _refuse(len(query) != 1 or query.shape[2] != key.shape[2], "packs must come as one row, without a cache")
    _refuse(not (getattr(module, "is_causal", True) if is_causal is None else is_causal), "the model is not causal")
    for name in UNSUPPORTED:
        _refuse(others.get(name) is not None, f"the model passes {name}")
    if dropout == 0.0 and max_length_q is not None and _flash_takes(query, value):
        return _flash(query, key, value, scaling, sliding_window, cu_seq_lens_q, max_length_q), None
    return _each(query, key, value, dropout, scaling, sliding_window, cu_seq_lens_q), None


def _refuse(condition: bool, reason: str) -> None:
    if condition:
        raise TrainingError(
            f"engine.attn_implementation {PACKED} cannot compute this attention: {reason}; use sdpa or eager"
        )


def _each(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    dropout: float,
    scaling: float | None,
    window: int | None,
    cumulative_lengths: torch.Tensor,
) -> torch.Tensor:
    lengths = cumulative_lengths.diff().tolist()
    outputs = []
    documents = zip(*(rows.split(lengths, dim=2) for rows in (query, key, value)), strict=True)
    for length, (queries, keys, values) in zip(lengths, documents, strict=True):
        mask = None if window is None or length <= window else _window_mask(length, window, query.device)
        output = scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            dropout_p=dropout,
            is_causal=mask is None,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        outputs.append(output.transpose(1, 2))
    return torch.cat(outputs, dim=1)


def _window_mask(length: int, window: int, device: torch.device) -> torch.Tensor:
    """Each position sees itself and the `window - 1` before it."""
    return torch.ones((length, length), dtype=torch.bool, device=device).tril().triu(1 - window)


def _flash_takes(query: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether PyTorch's variable-length flash attention can be used: a GPU from Ampere on, and 16-bit types."""
    return (
        query.is_cuda
        and query.dtype in (torch.float16, torch.bfloat16)
        and query.shape[3] == value.shape[3] <= LARGEST_FLASH_HEAD
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
        and find_spec("torch.nn.attention.varlen") is not None
    )


def _flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None,
    cumulative_lengths: torch.Tensor,
    longest: int,
) -> torch.Tensor:
    """All documents in one kernel. Not covered by tests on CPU."""
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (rows[0].transpose(0, 1) for rows in (query, key, value))  # (tokens, heads, size)
    output: torch.Tensor = varlen_attn(
        query,
        key,
        value,
        cumulative_lengths,
        cumulative_lengths,
        longest,
        longest,
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output.unsqueeze(0)

"""Applies packed masks to logits on the CPU at the speed of memory, in place of the loop over bits that vLLM calls.

A mask has one bit a token, the lowest bit of a byte first. A table turns each byte into eight numbers: 0 where the
token is allowed, the bits of -inf where it is not. Read as unsigned integers, -inf is larger than every other number
that is not NaN, so that one vectorised maximum a row writes -inf exactly where it belongs. The time does not depend on
the mask. xgrammar's CPU kernel, which vLLM uses, is as fast for rows that forbid little, and ten times slower for the
usual row of a call, which allows a few tokens of 151,936.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Apply = Callable[[Any, Any, Any, "torch.Tensor"], None]
"""vLLM's apply_grammar_bitmask: (scheduler_output, grammar_output, input_batch, logits)."""

_NEGATIVE_INFINITY: dict[str, NDArray[Any]] = {
    "float32": np.array(0xFF800000, dtype=np.uint32),
    "bfloat16": np.array(0xFF80, dtype=np.uint16),
    "float16": np.array(0xFC00, dtype=np.uint16),
}
"""The bits of -inf, by the name of the type of numbers (IEEE 754; bfloat16 is the upper half of float32)."""
_ALL_ALLOWED = -1
_BYTE_VALUES = 256


def install() -> None:
    """Make vLLM's model runner apply masks with this module where logits are in main memory. May be called again."""
    import vllm.v1.structured_output.utils as utils

    if hasattr(utils.apply_grammar_bitmask, "replaced"):
        return
    utils.apply_grammar_bitmask = replacement(utils.apply_grammar_bitmask)
    # The model runner takes the function over under its own name; it is seldom loaded before plugins are.
    runner = sys.modules.get("vllm.v1.worker.gpu_model_runner")
    if runner is not None:
        runner.apply_grammar_bitmask = utils.apply_grammar_bitmask  # type: ignore[attr-defined]


def replacement(stock: Apply) -> Apply:
    """A function in place of `stock`, vLLM's own, which still serves GPUs and layouts that this module does not know.

    It keeps `stock` as its attribute `replaced`.
    """

    def apply_grammar_bitmask(
        scheduler_output: Any, grammar_output: Any, input_batch: Any, logits: torch.Tensor
    ) -> None:
        if not (logits.is_cpu and _type_name(logits) in _NEGATIVE_INFINITY and logits.stride(-1) == 1):
            stock(scheduler_output, grammar_output, input_batch, logits)
            return
        drafted = {request: len(ids) for request, ids in scheduler_output.scheduled_spec_decode_tokens.items()}
        pairs = rows(grammar_output.structured_output_request_ids, input_batch.req_ids, drafted)
        apply(grammar_output.grammar_bitmask, pairs, logits)

    apply_grammar_bitmask.replaced = stock  # type: ignore[attr-defined]
    return apply_grammar_bitmask


def rows(constrained: Sequence[str], batch: Sequence[str], drafted: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Pairs (row of the mask, row of the logits).

    A request has one row, and one more for each of its `drafted` tokens, in both. Masks come in the order of
    `constrained`, logits in that of `batch`; requests of `constrained` that are not in the batch have no logits.
    """
    first: dict[str, int] = {}
    row = 0
    for request in batch:
        first[request] = row
        row += 1 + drafted.get(request, 0)
    row = 0
    for request in constrained:
        count = 1 + drafted.get(request, 0)
        if request in first:
            yield from zip(range(row, row + count), range(first[request], first[request] + count), strict=True)
        row += count


def apply(masks: NDArray[np.int32], pairs: Iterable[tuple[int, int]], logits: torch.Tensor) -> None:
    """Set forbidden logits to -inf, in place.

    masks: [masks, words]. logits: [rows, vocabulary] on the CPU; float32, bfloat16 or float16. Logits behind the last
    bit of a mask stay as they are, as in vLLM.
    """
    table = _table(_type_name(logits))
    words = masks.view(np.uint8)
    values = _as_integers(logits, table.dtype)
    width = min(logits.shape[1], 8 * words.shape[1])
    wanted = np.empty((words.shape[1], 8), dtype=table.dtype)
    flat = wanted.reshape(-1)[:width]
    for mask, row in pairs:
        if (masks[mask] == _ALL_ALLOWED).all():
            continue
        # "clip" spares a check of each index; a byte is always inside.
        np.take(table, words[mask], axis=0, out=wanted, mode="clip")
        target = values[row, :width]
        np.maximum(target, flat, out=target)


def _type_name(logits: torch.Tensor) -> str:
    return str(logits.dtype).removeprefix("torch.")


@cache
def _table(type_name: str) -> NDArray[Any]:
    """[256, 8]: for each byte of a mask, the least value of its eight logits as unsigned integers."""
    infinity = _NEGATIVE_INFINITY[type_name]
    allowed = (np.arange(_BYTE_VALUES)[:, None] >> np.arange(8)) & 1 == 1
    least: NDArray[Any] = np.where(allowed, np.zeros_like(infinity), infinity)
    return least


def _as_integers(logits: torch.Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The same memory as numpy integers; numpy has no bfloat16."""
    import torch

    signed = torch.int32 if dtype.itemsize == 4 else torch.int16
    integers: NDArray[Any] = logits.detach().view(signed).numpy().view(dtype)
    return integers

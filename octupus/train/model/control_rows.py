"""Trains the embedding rows of control tokens beside frozen matrices.

PEFT's own layer for this (`TrainableTokensLayer`) copies the whole matrix in every forward pass, makes a gradient for
all of its rows, and reads a weight that ZeRO-3 has put away. These modules call the frozen layer and replace the few
rows' results. `lora.export_adapter` writes them in PEFT's format, and PEFT's layer computes the same from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from octupus.errors import TrainingError

ROWS = ".rows"
SAVED_ROWS = ".token_adapter.trainable_tokens_delta"
"""How PEFT names the rows of a layer in adapter_model.safetensors."""


class EmbeddingRows(torch.nn.Module):  # type: ignore[misc]  # mypy does not read torch
    """An embedding whose rows `ids` are `rows`, of shape (ids, hidden); the others stay those of `frozen`."""

    ids: torch.Tensor

    def __init__(self, frozen: torch.nn.Module, ids: torch.Tensor, rows: torch.nn.Parameter) -> None:
        super().__init__()
        self.frozen = frozen
        self.rows = rows
        self.register_buffer("ids", ids, persistent=False)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Embeddings of shape (batch, tokens, hidden)."""
        same = input_ids.unsqueeze(-1) == self.ids
        trained = functional.embedding(same.int().argmax(dim=-1), self.rows)
        scale = getattr(self.frozen, "embed_scale", None)  # Gemma scales what it looks up
        if scale is not None:
            trained = trained * scale.to(trained.dtype)
        return torch.where(same.any(dim=-1, keepdim=True), trained, self.frozen(input_ids))


class HeadRows(torch.nn.Module):  # type: ignore[misc]
    """A head without bias whose rows `ids` are `rows`, of shape (ids, hidden); the others stay those of `frozen`."""

    ids: torch.Tensor
    bias: None = None

    def __init__(self, frozen: torch.nn.Module, ids: torch.Tensor, rows: torch.nn.Parameter) -> None:
        super().__init__()
        self.frozen = frozen
        self.rows = rows
        self.register_buffer("ids", ids, persistent=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of shape (batch, tokens, vocabulary)."""
        logits: torch.Tensor = self.frozen(hidden)
        return logits.index_copy(-1, self.ids, functional.linear(hidden, self.rows))

    @property
    def weight(self) -> torch.Tensor:
        """The whole matrix with the trained rows in it: a copy, for losses that take a matrix instead of logits."""
        return self.frozen.weight.index_copy(0, self.ids, self.rows)


def add_control_rows(model: Any, ids: Sequence[int]) -> dict[str, list[int]]:
    """Replace the embedding and the head of a transformers model by ones that train the rows `ids`.

    They share one parameter when the matrices are tied. Returns the ids by the layers' names, as PEFT's
    `trainable_token_indices` takes them. Raises TrainingError when the head has a bias, which PEFT would drop.
    """
    chosen = sorted(set(ids))
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise TrainingError(
            "the model's head has a bias; its rows cannot be trained: set lora.train_control_tokens off"
        )
    names = {layer: name for name, layer in model.named_modules() if layer is embedding or layer is head}
    rows = _rows(embedding.weight, chosen)
    head_rows = rows if head.weight is embedding.weight else _rows(head.weight, chosen)
    placed = torch.tensor(chosen, device=embedding.weight.device)
    model.set_input_embeddings(EmbeddingRows(embedding, placed, rows))
    model.set_output_embeddings(HeadRows(head, placed.clone(), head_rows))
    return {names[embedding]: chosen, names[head]: chosen}


def saved_rows(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The control rows in `state` under PEFT's names."""
    return {name.removesuffix(ROWS) + SAVED_ROWS: rows for name, rows in state.items() if name.endswith(ROWS)}


def _rows(weight: torch.nn.Parameter, ids: Sequence[int]) -> torch.nn.Parameter:
    from peft.utils.integrations import gather_params_ctx

    with gather_params_ctx([weight], modifier_rank=None):  # does nothing unless ZeRO-3 has partitioned the weight
        return torch.nn.Parameter(weight.detach()[list(ids)].clone())

"""Trained rows beside frozen matrices give what whole matrices with these rows would."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from octupus.errors import TrainingError
from octupus.train.model.control_rows import EmbeddingRows, HeadRows, add_control_rows

IDS = torch.tensor([2, 5, 6])
ROWS = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))


def replaced(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.detach().index_copy(0, IDS, ROWS.detach())


@pytest.mark.parametrize("scale", [None, torch.tensor(3.0)])
def test_lookups_are_those_of_a_whole_matrix(scale: torch.Tensor | None) -> None:
    frozen = torch.nn.Embedding(8, 4)
    if scale is not None:
        frozen.embed_scale = scale
        frozen.forward = lambda ids: functional.embedding(ids, frozen.weight) * scale
    inputs = torch.tensor([[0, 2, 7, 6, 5, 5, 1]])
    expected = functional.embedding(inputs, replaced(frozen.weight)) * (1 if scale is None else scale)
    assert torch.equal(EmbeddingRows(frozen, IDS, ROWS)(inputs), expected)


def test_logits_and_weight_are_those_of_a_whole_matrix() -> None:
    frozen = torch.nn.Linear(4, 8, bias=False)
    head, hidden = HeadRows(frozen, IDS, ROWS), torch.randn(1, 5, 4)
    assert torch.equal(head.weight, replaced(frozen.weight))
    torch.testing.assert_close(head(hidden), functional.linear(hidden, head.weight))


def test_a_head_with_a_bias_is_refused() -> None:
    model = SimpleNamespace(get_input_embeddings=lambda: None, get_output_embeddings=lambda: torch.nn.Linear(4, 8))
    with pytest.raises(TrainingError, match="head has a bias"):
        add_control_rows(model, [1])

"""Two models agree when rounding explains their difference."""

import pytest
import torch

from octupus.train.model.agreement import TOLERANCE, disagreement

LOGITS = torch.randn(30, 500, generator=torch.Generator().manual_seed(0))
NOISE = torch.randn(30, 500, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_a_difference_within_the_tolerance_of_the_type_agrees(dtype: torch.dtype) -> None:
    assert disagreement(LOGITS, LOGITS + 0.5 * TOLERANCE[dtype] * NOISE, dtype) is None
    complaint = disagreement(LOGITS, LOGITS + 2 * TOLERANCE[dtype] * NOISE, dtype)
    assert complaint is not None
    assert "standard deviations" in complaint


@pytest.mark.parametrize(("margin", "agrees"), [(0.1, True), (1.0, False)])
def test_another_greedy_token_disagrees_unless_it_is_nearly_tied(margin: float, agrees: bool) -> None:
    expected, found = LOGITS.clone(), LOGITS.clone()
    expected[3, :2] = torch.tensor([9, 9 - margin])
    found[3, :2] = torch.tensor([9 - margin, 9])
    assert (disagreement(expected, found, torch.bfloat16) is None) == agrees


def test_what_is_no_number_or_of_another_shape_disagrees() -> None:
    assert disagreement(LOGITS, LOGITS * torch.nan, torch.float32) is not None
    assert disagreement(LOGITS, LOGITS[:, 1:], torch.float32) is not None

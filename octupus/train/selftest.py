"""Before training: does the model see packed documents exactly as it sees them alone?

A wrong attention mask barely moves the loss but ruins the gradient (measured: 3e-4 against 0.68), so both are
compared. The gradient is taken with respect to the embedded tokens: it passes every layer and costs no memory for
gradients of weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from octupus.errors import TrainingError
from octupus.train.feed import Document, PackFeed, collate
from octupus.train.loss import cross_entropy_sum, keeps_logits

SAMPLES = 4
MAX_TOKENS = 256
"""Documents are cut to this length, which keeps the test cheap and shows contamination as well as whole ones."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2}


def sample_documents(feed: PackFeed) -> list[Document]:
    """Up to four short documents with trained tokens, from the first packs."""
    found: list[Document] = []
    for pack_id in range(min(len(feed), 2 * SAMPLES)):
        for document in feed.documents(pack_id):
            first = next((place for place, trained in enumerate(document.trained) if trained), None)
            if first is None:
                continue
            start = max(0, first - MAX_TOKENS // 2)
            window = slice(start, start + MAX_TOKENS)
            if any(document.trained[window][1:]):
                found.append(Document(document.ids[window], document.trained[window]))
            if len(found) == SAMPLES:
                return found
    return found


def check_packing(model: torch.nn.Module, documents: Sequence[Document], device: torch.device) -> None:
    """Raise TrainingError when packing `documents` changes their loss or gradient beyond rounding.

    Limits on the relative L2 difference: 1e-3 in float32, 2e-2 in bfloat16.
    """
    if not documents:
        raise TrainingError("the first packs hold no trained token; check the loss column of the prepared data")
    dtype = next(model.parameters()).dtype
    training = model.training
    model.eval()  # dropout would make any two passes differ
    packed = _loss_and_gradient(model, documents, device)
    alone = [_loss_and_gradient(model, [document], device) for document in documents]
    model.train(training)
    loss_alone = sum(loss for loss, _ in alone)
    gradient_alone = torch.cat([gradient for _, gradient in alone], dim=1)
    loss_difference = abs(packed[0] - loss_alone) / max(abs(loss_alone), 1e-12)
    gradient_difference = float((packed[1] - gradient_alone).norm() / gradient_alone.norm().clamp_min(1e-12))
    limit = TOLERANCE[dtype]
    if not (loss_difference <= limit and gradient_difference <= limit):
        raise TrainingError(
            f"packed and unpacked samples disagree: loss by {loss_difference:.2g}, gradient by "
            f"{gradient_difference:.2g} (limit {limit:g} in {dtype}); the attention implementation "
            f"{getattr(model.config, '_attn_implementation', 'unknown')!r} does not keep the documents of a pack "
            "apart; choose another with engine.attn_implementation"
        )


def _loss_and_gradient(
    model: torch.nn.Module, documents: Sequence[Document], device: torch.device
) -> tuple[float, torch.Tensor]:
    pack = collate(documents).to(device)
    embedded = model.get_input_embeddings()(pack.input_ids).detach().requires_grad_()
    loss = cross_entropy_sum(model, pack, keeps_logits(model), embedded)
    (gradient,) = torch.autograd.grad(loss, embedded)
    return loss.item(), gradient.float()

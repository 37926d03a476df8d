"""Before training: does the model see packed documents exactly as it sees them alone?

A wrong attention mask barely moves the loss but ruins the gradient (measured: 3e-4 against 0.68). Two things about
the gradient with respect to the embedded tokens are therefore checked, which passes every layer and costs no memory
for gradients of weights:

- A document's loss has no gradient at the tokens of others. This is exact: a masked score has probability 0 and
  gradient 0 in every type and at every depth, so that rounding cannot hide a leak nor look like one.
- At its own tokens the gradient, and the loss, are those of the document alone, to the type's precision. The document
  alone goes through the model the plain way, without what makes packs fast, so that this is checked too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from octupus.errors import TrainingError
from octupus.train.forward.loss import LossSettings, cross_entropy_sum
from octupus.train.packs.feed import Document, Pack, PackFeed, collate

SAMPLES = 4
MAX_TOKENS = 256
"""Documents are cut to this length, which keeps the test cheap and shows contamination as well as whole ones."""
LEAK = 1e-4
"""Largest gradient at other documents' tokens beside that at a document's own."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""Largest relative difference to a document alone. In bfloat16 it grows with depth (measured: 0.012 at 28 layers)."""


def sample_documents(feed: PackFeed) -> list[Document]:
    """Up to four short documents with trained tokens, from the first packs."""
    found: list[Document] = []
    for pack_id in range(min(len(feed), 2 * SAMPLES)):
        for document in feed.documents(pack_id):
            ids, trained = np.asarray(document.ids), np.asarray(document.trained)
            if not trained.any():
                continue
            start = max(0, int(trained.argmax()) - MAX_TOKENS // 2)
            window = slice(start, start + MAX_TOKENS)
            if trained[window][1:].any():
                found.append(Document(ids[window], trained[window]))
            if len(found) == SAMPLES:
                return found
    return found


def check_packing(
    forward: Callable[..., Any],
    model: torch.nn.Module,
    documents: Sequence[Document],
    device: torch.device,
    settings: LossSettings,
) -> None:
    """Raise TrainingError when packing `documents` changes their loss or gradient beyond rounding.

    `forward` runs `model`. When an engine shards it, all workers call this with the same documents, and `forward` is
    the engine's `module`, whose hooks gather what they need: DeepSpeed's own forward expects `engine.backward` to
    follow, and this takes gradients without it.
    """
    if not documents:
        raise TrainingError("the first packs hold no trained token; check the loss column of the prepared data")
    limit = TOLERANCE.get(next(model.parameters()).dtype, TOLERANCE[torch.bfloat16])
    training = model.training
    model.eval()  # dropout would make any two passes differ
    leaks, differences = [], []
    for place, document in enumerate(documents):
        others = [replace(other, trained=np.zeros_like(other.trained, dtype=np.bool_)) for other in documents]
        pack = collate([*others[:place], document, *others[place + 1 :]])
        start, end = pack.cumulative_lengths[place : place + 2].tolist()
        loss, gradient = _loss_and_gradient(forward, model, pack.to(device), settings)
        alone_loss, alone = _loss_and_gradient(forward, model, collate([document]).to(device), settings.plain())
        own = gradient[start:end].clone()
        gradient[start:end] = 0.0
        leaks.append(float(gradient.norm() / own.norm()))
        differences += [abs(loss / alone_loss - 1), float((own - alone).norm() / alone.norm())]
    model.train(training)
    if not (max(leaks) <= LEAK and max(differences) <= limit):
        raise TrainingError(
            f"packed and unpacked samples disagree: gradient leaks to other documents by {max(leaks):.2g} (limit "
            f"{LEAK:g}), loss or gradient differ by {max(differences):.2g} (limit {limit:g}); this model does not "
            f"work with engine.attn_implementation {settings.attention!r}"
            + (", or its logits are not its head's output, which cross_entropy chunked needs" if settings.head else "")
        )


def _loss_and_gradient(
    forward: Callable[..., Any], model: torch.nn.Module, pack: Pack, settings: LossSettings
) -> tuple[float, torch.Tensor]:
    with _embedded_tokens(model) as embedded:
        loss = cross_entropy_sum(forward, pack, settings)
    (gradient,) = torch.autograd.grad(loss, embedded)
    return loss.item(), gradient[0].float()


@contextmanager
def _embedded_tokens(model: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """Holds, after a forward pass within, the embedded tokens, from which its gradients can be taken."""
    embedded: list[torch.Tensor] = []

    def cut(_module: torch.nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    hook = model.get_input_embeddings().register_forward_hook(cut)
    try:
        yield embedded
    finally:
        hook.remove()

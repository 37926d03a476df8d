"""Augmentations by name: which a conversation is fit for, and one carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from octupus.conversation import Conversation, Tool
from octupus.data.augment import (
    distractors,
    irrelevance,
    merge_calls,
    missing_parameter,
    name_masking,
    tool_order,
)
from octupus.data.augment.config import AUGMENTATIONS, AugmentationName

_APPLIES: dict[AugmentationName, Callable[[Conversation], bool]] = {
    "irrelevance": irrelevance.applies,
    "name_masking": name_masking.applies,
    "distractors": distractors.applies,
    "tool_order": tool_order.applies,
    "merge_calls": merge_calls.applies,
    "missing_parameter": missing_parameter.applies,
}


def applicable(conversation: Conversation) -> int:
    """The augmentations that the conversation is fit for, one bit each in the order of AUGMENTATIONS.

    An augmentation may still give None: what else it depends on is the pool of tools and the other conversation.
    """
    if not conversation.tools:
        return 0
    return sum(1 << bit for bit, name in enumerate(AUGMENTATIONS) if _APPLIES[name](conversation))


def augment(
    name: AugmentationName,
    conversation: Conversation,
    seed: int,
    *,
    second: Conversation | None = None,
    pool: Sequence[Tool] = (),
    max_distractors: int = 6,
) -> Conversation | None:
    """One augmentation of a conversation that passes every check, or None where it does not apply.

    `second` is what merge_calls merges it with; `pool` is of `distractors.tool_pool`.
    """
    match name:
        case "irrelevance":
            return irrelevance.irrelevance(conversation, seed, pool)
        case "name_masking":
            return name_masking.name_masking(conversation, seed)
        case "distractors":
            return distractors.distractors(conversation, pool, seed, max_distractors)
        case "tool_order":
            return tool_order.tool_order(conversation, seed)
        case "merge_calls":
            return None if second is None else merge_calls.merge_calls(conversation, second, seed)
        case "missing_parameter":
            return missing_parameter.missing_parameter(conversation, seed)

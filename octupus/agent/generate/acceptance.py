"""Whether the data line takes a conversation as it is: nothing to repair, to flag or to drop."""

from __future__ import annotations

from octupus.agent.generate.reasons import Drop, Reason
from octupus.conversation import Conversation
from octupus.data.grounding import ungrounded
from octupus.data.language import language
from octupus.data.quality import QualityConfig, assess
from octupus.data.repair import repair


def fault(conversation: Conversation) -> Drop | None:
    """The first thing that the data line would change in it or drop it for; None when there is none."""
    for value in ungrounded(conversation):
        return Drop(Reason.UNGROUNDED, f"message {value.position}: {value.pointer} is {value.value!r}")
    written = language(conversation)
    if written != conversation.language:
        return Drop(Reason.LANGUAGE, f"reads as {written}, not {conversation.language}")
    mended = repair(conversation)
    if isinstance(mended, tuple):
        stage, (reason, detail) = mended
        return Drop(Reason.CHECKS, f"{stage}: {reason}: {detail}")
    if mended != conversation:
        return Drop(
            Reason.CHECKS, f"repaired: {', '.join(mended.flags) or 'arguments or schemas are written otherwise'}"
        )
    judged = assess(conversation, QualityConfig())
    if isinstance(judged, tuple):
        return Drop(Reason.CHECKS, f"{judged[0]}: {judged[1]}")
    if judged.flags:
        return Drop(Reason.CHECKS, f"flagged: {', '.join(judged.flags)}")
    return None

"""No tool may fill the corpus: rows whose tools are all called in enough other rows are dropped.

A row is kept while at least one of its tools is called in fewer than `cap` rows kept before it, so a rare tool brings
the common ones along that it is called with. Hermes' published cap was of this kind, but looked at rows as they stood
in the file; here rows are visited in the order of their ids, which are hashes, so the result does not depend on that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from octupus.conversation import Conversation
from octupus.data.dedup import hash_order


def tools_called(conversation: Conversation) -> tuple[str, ...]:
    """The names of the tools a conversation calls, each once, sorted."""
    return tuple(sorted({call.function.name for message in conversation.messages for call in message.tool_calls}))


def over_cap(
    ids: npt.NDArray[np.uint8] | npt.NDArray[np.bytes_],
    codes: npt.NDArray[np.integer],
    offsets: npt.NDArray[np.integer],
    cap: int,
) -> npt.NDArray[np.bool_]:
    """bool[n]: whether a row is dropped since each tool it calls is called in `cap` kept rows of lower ids.

    `ids` are hashes of 32 bytes, uint8[n, 32] or S32[n]. Row i calls the tools codes[offsets[i]:offsets[i + 1]],
    codes from 0 without large gaps, offsets [n + 1]: the two buffers of an Arrow list of dictionary codes. A row that
    calls nothing is never dropped.
    """
    if cap < 1:
        raise ValueError(f"cap must be at least 1, not {cap}")
    order = hash_order(ids)
    dropped = np.zeros(len(order), np.bool_)
    kept_rows = [0] * (int(codes.max()) + 1 if len(codes) else 0)
    # A loop, as each row depends on the rows kept before; plain integers are faster in it than numpy's.
    bounds = zip(order.tolist(), offsets[order].tolist(), offsets[order + 1].tolist(), strict=True)
    for position, start, end in bounds:
        called = set(codes[start:end].tolist())
        if called and all(kept_rows[code] >= cap for code in called):
            dropped[position] = True
            continue
        for code in called:
            kept_rows[code] += 1
    return dropped

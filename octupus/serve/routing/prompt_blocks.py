"""The prompt of a call to an engine replica, cut into blocks and hashed as a chain."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

PROMPT_POSITION = 0
ADAPTER_POSITION = 4
"""Places in `EngineReplica.generate(prompt_ids, sampling, spec, generated, adapter, request_id)`."""


def prompt_blocks(arguments: Sequence[Any], keywords: Mapping[str, Any], block_size: int) -> list[int]:
    """Hashes of the full blocks of the prompt in a call's arguments, in order.

    Each hash covers its block, all blocks before it and the adapter: vLLM's cache is found in the same way. Equal
    hashes thus mean equal beginnings. They hold within this process only, whose secret Python's `hash` of bytes
    depends on, so no client can make two prompts collide.

    A call without a prompt of token ids has no blocks: whatever is wrong with it is for the replica to say.
    """
    prompt = arguments[PROMPT_POSITION] if len(arguments) > PROMPT_POSITION else keywords.get("prompt_ids")
    adapter = arguments[ADAPTER_POSITION] if len(arguments) > ADAPTER_POSITION else keywords.get("adapter")
    if not isinstance(prompt, list | tuple) or not isinstance(adapter, str | None):
        return []
    try:
        ids = array("q", prompt)
    except (TypeError, OverflowError):
        return []
    content = ids.tobytes()
    step = block_size * ids.itemsize
    chain = hash(adapter)
    hashes = []
    for start in range(0, len(content) - step + 1, step):
        chain = hash((chain, content[start : start + step]))
        hashes.append(chain)
    return hashes

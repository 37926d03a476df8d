"""Imports vLLM's logging without what it does to Ray Serve's.

As it is imported, vLLM calls `logging.config.dictConfig`, which closes every handler of the process. Serve's own then
lead nowhere: the replica's log ends there, and a Serve controller that was restarted cannot take the replica over
(`Replica.is_allocated` asks for the handler's file), so that it would replace all engines at once.
"""

from __future__ import annotations

import os

SWITCH = "VLLM_CONFIGURE_LOGGING"


def import_vllm_logging() -> None:
    """To be called before anything else of vLLM is imported. Processes started later configure theirs as ever."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "0"
    try:
        import vllm.logger  # noqa: F401
    finally:
        del os.environ[SWITCH]
        if before is not None:
            os.environ[SWITCH] = before

"""What the workers of one node share: a temporary directory, and one worker that fills it for all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def first_of_node() -> bool:
    """Whether this worker does what is to be done once a node."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def node_directory(name: str) -> Path:
    """A path for `name` that all workers of this node, and no other run, have; nothing is made there.

    The node's number is part of it, since nodes may share a temporary directory.
    """
    run, node = os.environ.get("MASTER_PORT", "0"), os.environ.get("NODE_RANK", "0")
    return Path(tempfile.gettempdir()) / f"octupus_{name}_{run}_{node}"

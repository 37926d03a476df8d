"""Serve's log handlers survive vLLM's import; in a process of its own, because vLLM is imported once."""

import subprocess
import sys

CODE = """
import logging, logging.handlers, os, sys
target = logging.StreamHandler(sys.stderr)
handler = logging.handlers.MemoryHandler(1, target=target)
logging.getLogger("ray.serve").addHandler(handler)
from octupus.serve.engine.vllm_logging import import_vllm_logging
import_vllm_logging()
import vllm.sampling_params
assert handler.target is target
assert "VLLM_CONFIGURE_LOGGING" not in os.environ
"""


def test_serves_handlers_are_left_open() -> None:
    finished = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr

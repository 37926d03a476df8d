"""What processes that do not start leave behind."""

import logging
import os
from pathlib import Path

from octupus.serve.engine.start_errors import FILE_VARIABLE, record, start_errors


def test_the_first_error_is_the_root_cause_and_nothing_is_left() -> None:
    logger = logging.getLogger("vllm.worker")
    with start_errors() as errors:
        record()
        record()
        assert errors.root_cause() == ""
        logger.warning("not an error")
        try:
            raise ValueError("no available memory\n  for the cache")
        except ValueError:
            logger.exception("WorkerProc failed to start.")
        logger.error("EngineCore failed to start.")
        assert errors.root_cause() == "ValueError: no available memory for the cache"
        directory = Path(os.environ[FILE_VARIABLE]).parent
        assert len((directory / "errors").read_text().splitlines()) == 2
    assert not directory.exists()
    assert FILE_VARIABLE not in os.environ
    logger.error("later")
    assert not directory.exists()
    record()
    assert not logging.getLogger("vllm").handlers or directory.exists() is False

"""The tiny base model, the same with control tokens, and packs for it; made once."""

from pathlib import Path

import pytest

from octupus.train.config import VocabularyConfig
from octupus.train.model.vocabulary import edit_vocabulary
from tests.train.tiny_model import write_base_model, write_packs


@pytest.fixture(scope="session")
def base_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base_model(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="session")
def model_directory(base_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return edit_vocabulary(VocabularyConfig(base=base_directory, output=tmp_path_factory.mktemp("edited") / "model"))


@pytest.fixture(scope="session")
def prepared_directory(model_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_packs(tmp_path_factory.mktemp("prepared") / "data", model_directory)

"""One endpoint for all modules of this package: real Ray Serve, real vLLM, a model of random weights."""

import logging
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import ray

from ..random_model import write_random_model

PORT = 8540


@pytest.fixture(scope="package")
def private_ray() -> Iterator[None]:
    """A Ray instance of this package's own: never the one that `ray start` left an address of."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture(scope="package")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="package")
def base_url(model_directory: Path, private_ray: None) -> Iterator[str]:
    from octupus.serve.local_endpoint import endpoint

    with endpoint(model_directory, "octupus", PORT) as url:
        yield url


@pytest.fixture(scope="package")
def client(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key="unused", max_retries=0)


@pytest.fixture
def async_client(base_url: str) -> openai.AsyncOpenAI:
    """A new one for each test, because its connections belong to one event loop."""
    return openai.AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0)

"""An endpoint on this machine while a block runs: the application that serve_configs/oai.yaml names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray import serve

from octupus.errors import EngineError
from octupus.serve.app import build


def _deployment_messages() -> str:
    """What the deployments say of themselves: the replica's own error, which Serve's exception leaves out."""
    status = serve.status().applications.get("octupus")
    deployments = status.deployments.values() if status is not None else ()
    return " ".join(deployment.message for deployment in deployments if deployment.message)


@contextmanager
def endpoint(model: Path, model_id: str, port: int) -> Iterator[str]:
    """Serve `model` on 127.0.0.1 while the block runs; gives the base URL for OpenAI clients.

    Raises EngineError when the application does not come up.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    arguments = {"model": {"source": str(model), "id": model_id}, "decoding": {"allow_unconstrained": True}}
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(build(arguments), name="octupus", route_prefix="/")
    except RuntimeError as error:
        raise EngineError(f"the endpoint did not come up: {error} {_deployment_messages()}") from error
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        serve.delete("octupus")

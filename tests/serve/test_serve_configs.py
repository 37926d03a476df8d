"""Every file of serve_configs/ is what Ray Serve takes and what octupus takes, and so is the block for Kubernetes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from octupus.check_files import check_values
from octupus.config import resolve
from octupus.errors import ConfigError
from octupus.serve.config import ServeConfig
from octupus.serve.configured import VARIABLE, arguments_of

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "serve_configs").glob("*.yaml"))
RAY_SERVICE = ROOT / "clusters" / "kuberay" / "rayservice.yaml"


def block_of(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(file.read_text())
    if values.get("kind") == "RayService":
        values = yaml.safe_load(values["spec"]["serveConfigV2"])
    return values


@pytest.mark.parametrize("file", [*FILES, RAY_SERVICE], ids=lambda file: file.name)
def test_ray_and_octupus_take_it(file: Path) -> None:
    values = block_of(file)
    deploy = ServeDeploySchema.model_validate(values)
    check_values(values, file)
    # Open to the network only with keys.
    configs = [
        resolve(ServeConfig, application.args, str(file))
        for application in deploy.applications
        if application.import_path == "octupus.serve.app:build"
    ]
    assert values["http_options"]["host"] == "127.0.0.1" or (configs and configs[0].access.api_keys_file)


def test_the_block_for_kubernetes_is_that_of_oai_yaml() -> None:
    ours, theirs = block_of(ROOT / "serve_configs" / "oai.yaml"), block_of(RAY_SERVICE)
    differing = {"source": None}
    for values in (ours, theirs):
        values["http_options"].pop("host")
        args = values["applications"][0]["args"]
        args["model"] |= differing
        args.pop("access", None)
    assert theirs == ours


def test_the_configured_application_reads_the_file_that_the_variable_names() -> None:
    arguments = arguments_of({VARIABLE: str(ROOT / "serve_configs" / "oai-lora.yaml")})
    assert arguments["adapters"]["max_loaded"] == 8
    with pytest.raises(ConfigError, match=VARIABLE):
        arguments_of({})


def test_a_typing_mistake_is_told_with_the_nearest_key() -> None:
    with pytest.raises(ConfigError, match="api_keys_file"):
        resolve(ServeConfig, {"model": {"source": "x"}, "access": {"api_key_file": "y"}}, "args")

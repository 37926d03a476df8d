"""Launchers' files: the field lists are those of the installed Ray, the checks refuse what could not work, and what
`ray job submit` uploads is small."""

from __future__ import annotations

import ast
import copy
import json
import os
import re
import shutil
import subprocess
import zipfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from octupus import versions
from octupus.clusters.launch_files import check_launch_file, kind_of, serve_blocks
from octupus.clusters.launch_schemas import LaunchFileKind
from octupus.config import read_yaml
from octupus.errors import ConfigError

PROJECT = Path(__file__).parents[2]
RAY = Path(find_spec("ray").origin).parent  # type: ignore[union-attr, arg-type]  # ray is installed
RAY_UP = sorted((PROJECT / "clusters/ray_up").glob("*.yaml"))
CLOUDS = [path for path in RAY_UP if path.stem != "on-premises"]


@pytest.fixture
def aws() -> dict[str, Any]:
    return read_yaml(PROJECT / "clusters/ray_up/aws.yaml")


@pytest.fixture
def ray_service() -> dict[str, Any]:
    return read_yaml(PROJECT / "clusters/kuberay/rayservice.yaml")


# The lists are written down, so that checking needs no Ray; here they are held against the Ray that is installed.


def test_fields_of_serve_configs_are_those_of_ray_serve() -> None:
    schema = _schema("serve")
    models = _fields_of_classes(RAY / "serve/schema.py")
    deploy = models["ServeDeploySchema"]
    assert set(schema["properties"]) == deploy
    for name in ("HTTPOptionsSchema", "gRPCOptionsSchema", "ServeApplicationSchema", "DeploymentSchema"):
        assert set(schema["$defs"][name]["properties"]) == models[name], name
    deployment = schema["$defs"]["DeploymentSchema"]["properties"]
    assert set(deployment["ray_actor_options"]["properties"]) == models["RayActorOptionsSchema"]
    assert set(deployment["logging_config"]["properties"]) == models["LoggingConfig"]


def test_fields_of_runtime_environments_are_those_of_ray() -> None:
    tree = ast.parse((RAY / "runtime_env/runtime_env.py").read_text())
    (fields,) = (
        ast.literal_eval(statement.value)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "RuntimeEnv"
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == "known_fields" and statement.value
    )
    public = {name for name in fields if not name.startswith("_")}
    assert set(_schema("runtime_env")["properties"]) == public | {"nsight", "rocprof_sys"}


def test_ray_start_parameters_are_the_options_of_ray_start() -> None:
    assert set(_schema("kuberay")["$defs"]["RayStartParams"]["properties"]) == _ray_start_options()


def test_azure_parameters_are_those_of_rays_template() -> None:
    template = json.loads((RAY / "autoscaler/_private/_azure/azure-vm-template.json").read_text())
    set_by_ray = {"vmName", "vmCount", "publicKey", "provisionPublicIp", "msi", "nsg", "subnet"}
    ours = _schema("ray_up")["$defs"]["azure_node_config"]["properties"]["azure_arm_parameters"]["properties"]
    assert set(ours) == set(template["parameters"]) - set_by_ray | {"availability_zone"}


@pytest.mark.parametrize("kind", LaunchFileKind)
def test_each_list_says_where_it_is_from(kind: LaunchFileKind) -> None:
    assert re.search(r"20\d\d-\d\d-\d\d", _schema(kind.value)["$comment"])


# What a file is.


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("clusters/ray_up/gcp.yaml", LaunchFileKind.RAY_UP),
        ("clusters/ray_up/on-premises.yaml", LaunchFileKind.RAY_UP),
        ("clusters/kuberay/rayservice.yaml", LaunchFileKind.KUBERAY),
        ("clusters/runtime_env.yaml", LaunchFileKind.RUNTIME_ENV),
        ("serve_configs/oai.yaml", LaunchFileKind.SERVE),
        ("jobs/train_stg1.yaml", None),
        ("clusters/cluster.yaml", None),
    ],
)
def test_keys_tell_what_a_file_is(file: str, kind: LaunchFileKind | None) -> None:
    assert kind_of(read_yaml(PROJECT / file)) is kind


def test_a_skypilot_task_is_known_and_its_nested_typos_are_found() -> None:
    task = {"resources": {"any_of": [{"infra": "aws", "use_spot": True}], "accelerators": "H100:8"}, "run": "true"}
    check_launch_file(task, "task.yaml")
    assert kind_of(task) is LaunchFileKind.SKYPILOT
    task["resources"]["any_of"][0]["use_spott"] = True  # type: ignore[index]
    with pytest.raises(ConfigError, match=r"did you mean 'resources\.any_of\.0\.use_spot'\?"):
        check_launch_file(task, "task.yaml")


def test_serve_blocks_are_found_in_both_places(ray_service: dict[str, Any]) -> None:
    (inside,) = serve_blocks(ray_service)
    assert inside["applications"][0]["import_path"] == "octupus.serve.app:build"
    assert serve_blocks(dict(inside)) == [inside]
    assert serve_blocks({"working_dir": "."}) == []


# What is refused.


def test_a_node_type_without_gpus_is_refused(aws: dict[str, Any]) -> None:
    aws["available_node_types"]["gpu"]["resources"] = {"CPU": 192}
    _refused(aws, r"a node type without GPUs .*set available_node_types\.gpu\.resources\.GPU")
    aws["available_node_types"]["gpu"]["max_workers"] = aws["available_node_types"]["gpu"]["min_workers"] = 0
    check_launch_file(aws, "aws.yaml")


def test_a_worker_group_without_gpus_is_refused(ray_service: dict[str, Any]) -> None:
    group = ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    group["groupName"] = "gpu"
    for resources in (container["resources"] for container in group["template"]["spec"]["containers"]):
        for names in resources.values():
            names.pop("nvidia.com/gpu", None)
    _refused(ray_service, r"workerGroupSpecs\.0: a worker group without GPUs .*nvidia\.com/gpu")


def test_an_unknown_head_is_refused(aws: dict[str, Any]) -> None:
    _refused({**aws, "head_node_type": "haed"}, "did you mean 'head'")


def test_more_nodes_than_the_most_are_refused(aws: dict[str, Any]) -> None:
    _refused({**aws, "max_workers": 0, **_with(aws, min_workers=1)}, "1 is more than the maximum of 0")
    _refused({**aws, **_with(aws, min_workers=3)}, "3 is more than the maximum of 2")


@pytest.mark.parametrize("key", ["min_workers", "initial_workers", "head_node", "worker_nodes", "autoscaling_mode"])
def test_keys_of_old_examples_are_refused(aws: dict[str, Any], key: str) -> None:
    _refused({**aws, key: 1}, f"unknown key '{key}'")


def test_one_cloud_is_not_given_anothers_fields(aws: dict[str, Any]) -> None:
    aws["provider"]["resource_group"] = "octupus"
    _refused(aws, r"unknown key 'provider\.resource_group'")


def test_node_types_on_premises_are_refused_as_ray_would(aws: dict[str, Any]) -> None:
    local = read_yaml(PROJECT / "clusters/ray_up/on-premises.yaml")
    _refused({**local, "available_node_types": aws["available_node_types"]}, "this provider does not take it")


def test_a_secret_of_the_wrong_type_is_not_shown(ray_service: dict[str, Any]) -> None:
    container = ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "HF_TOKEN", "value": 48151623}]
    with pytest.raises(ConfigError, match="must be string, not integer") as raised:
        check_launch_file(ray_service, "service.yaml")
    assert "48151623" not in str(raised.value)


def test_broken_yaml_inside_is_told_where_it_stands(ray_service: dict[str, Any]) -> None:
    ray_service["spec"]["serveConfigV2"] = "applications: ["
    _refused(ray_service, r"spec\.serveConfigV2 is not valid YAML")


# The files of clusters/ray_up.


@pytest.mark.parametrize("file", RAY_UP, ids=lambda path: path.stem)
def test_ray_up_accepts_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    monkeypatch.chdir(PROJECT)  # file_mounts are relative to where `ray up` is run
    validate_config(prepare_config(read_yaml(file)))


@pytest.mark.parametrize("file", CLOUDS, ids=lambda path: path.stem)
def test_no_work_is_put_on_the_head_and_workers_have_gpus(file: Path) -> None:
    values = read_yaml(file)
    types = values["available_node_types"]
    assert types[values["head_node_type"]]["resources"] == {"CPU": 0, "GPU": 0}
    (worker,) = (node for name, node in types.items() if name != values["head_node_type"])
    assert worker["resources"]["GPU"] > 0
    assert 0 <= worker["min_workers"] <= worker["max_workers"] <= values["max_workers"]


def test_no_work_is_put_on_the_head_on_premises() -> None:
    command = read_yaml(PROJECT / "clusters/ray_up/on-premises.yaml")["head_start_ray_commands"][-1]
    assert "--num-cpus=0 --num-gpus=0" in command


@pytest.mark.parametrize("file", RAY_UP, ids=lambda path: path.stem)
def test_commands_are_shell_with_options_that_ray_has_and_no_secret(file: Path) -> None:
    values = read_yaml(file)
    commands = [command for key, value in values.items() if key.endswith("_commands") for command in value]
    for command in commands:
        subprocess.run(["bash", "-n", "-c", command], check=True, capture_output=True)
        assert not re.search(r"TOKEN=|KEY=|SECRET=|PASSWORD=", command)
    starts = [command for command in commands if "ray start" in command]
    assert len(starts) == 2
    for command in starts:
        assert set(re.findall(r" --([a-z-]+)", command.partition("ray start")[2])) <= _ray_start_options()
        assert command.index("secrets.env") < command.index("octupus front") < command.index("ray start")
        assert "--temp-dir=/mnt/nvme" in command and "--object-spilling-directory=/mnt/nvme" in command  # noqa: PT018
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert versions.TESTED["ray"] in file.read_text()


def test_only_ssh_is_opened_by_name() -> None:
    for file in RAY_UP:
        assert "IpPermissions" not in file.read_text(), "Ray's own group has ssh and the cluster's inside alone"


# What a job takes along.


def test_the_runtime_environment_is_one_that_ray_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.dashboard.modules.dashboard_sdk import parse_runtime_env_args
    from ray.runtime_env import RuntimeEnv

    file = str(PROJECT / "clusters/runtime_env.yaml")
    merged = parse_runtime_env_args(runtime_env=file, working_dir="/elsewhere")
    assert merged == {**read_yaml(Path(file)), "working_dir": "/elsewhere"}
    monkeypatch.chdir(PROJECT)
    RuntimeEnv(**read_yaml(Path(file)))


@pytest.mark.parametrize("runtime_env", [{"working_dir": "."}, read_yaml(PROJECT / "clusters/runtime_env.yaml")])
def test_what_is_uploaded_is_what_a_job_needs(
    runtime_env: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Ray's own packing, of a checkout that was worked in; also without the excludes that Ray has of its own."""
    monkeypatch.setenv("RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES", "")
    checkout = _worked_in_checkout(tmp_path / "octupus")
    monkeypatch.chdir(checkout)
    package = _packed(runtime_env, tmp_path / "package.zip")
    names = set(zipfile.ZipFile(package).namelist())

    needed = [path for path in _tracked(PROJECT) if path.startswith(("octupus/", "jobs/", "serve_configs/"))]
    assert set(needed) <= names
    assert "pyproject.toml" in names
    unwanted = re.compile(
        r"(^|/)(\.git|\.venv|__pycache__|[.]\w+_cache)/|^(runs|data|models)/|\.(safetensors|parquet|pem)$"
    )
    assert [name for name in names if unwanted.search(name)] == []
    if "excludes" in runtime_env:
        assert not any(name.startswith(("tests/", "docs/")) for name in names)
    assert package.stat().st_size < 8 * 2**20  # the limit is 512 MiB


def _worked_in_checkout(target: Path) -> Path:
    for name in _tracked(PROJECT):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, target / name)
    for name in (".git/objects/pack", "runs/stage1/step_00000001", "data/raw", "models/base", ".venv/bin"):
        (target / name).mkdir(parents=True)
        _sparse(target / name / "large", 200 * 2**20)
    (target / "octupus/__pycache__").mkdir()
    for name in ("jobs/weights.safetensors", "corpus.parquet", "octupus/__pycache__/cli.pyc", "id.pem"):
        _sparse(target / name, 2**20)
    return target


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)


def _tracked(project: Path) -> list[str]:
    """Files of the checkout that git has or would take, without the large and the fleeting ones."""
    listed = subprocess.run(
        ["git", "-C", str(project), "ls-files", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return [name for name in listed if (project / name).is_file()]


def _packed(runtime_env: dict[str, Any], target: Path) -> Path:
    """The package that `ray job submit` would upload, made by Ray without a cluster."""
    from ray._private.runtime_env.packaging import create_package
    from ray._private.runtime_env.working_dir import upload_working_dir_if_needed

    def keep(working_dir: str, excludes: list[str], is_file: bool = False) -> None:
        assert not is_file
        create_package(working_dir, target, include_gitignore=True, excludes=excludes)

    upload_working_dir_if_needed(dict(runtime_env), include_gitignore=True, upload_fn=keep)
    return target


def _schema(name: str) -> Any:
    return json.loads((files("octupus.clusters") / "schemas" / f"{name}.json").read_text())


def _fields_of_classes(source: Path) -> dict[str, set[str]]:
    return {
        node.name: {
            statement.target.id
            for statement in node.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        }
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def _ray_start_options() -> set[str]:
    tree = ast.parse((RAY / "scripts/scripts.py").read_text())
    (start,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "start")
    decorators = [call for call in start.decorator_list if isinstance(call, ast.Call)]
    texts = [ast.literal_eval(call.args[0]) for call in decorators if ast.unparse(call.func) == "click.option"]
    return {text.removeprefix("--") for text in texts}


def _with(values: dict[str, Any], **fields: int) -> dict[str, Any]:
    types = copy.deepcopy(values["available_node_types"])
    types["gpu"].update(fields)
    return {"available_node_types": types}


def _refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_launch_file(yaml.safe_load(yaml.safe_dump(values)), "file.yaml")

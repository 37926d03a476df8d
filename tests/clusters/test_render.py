"""`octupus render`: what is shipped is fresh, manifests say what configs say, and what no cluster holds is refused."""

import argparse
import math
import os
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ray.serve.schema import ServeDeploySchema

from octupus.clusters.config import ClusterConfig
from octupus.clusters.demand import Job, Nodes, Service, nodes_for_serving, nodes_for_training, read_demand
from octupus.clusters.dump import as_yaml
from octupus.clusters.launch_files import check_launch_file
from octupus.clusters.render import RenderOptions, render, render_command, split_flags
from octupus.clusters.render_kuberay import ray_job, ray_service
from octupus.clusters.render_sky import sky_job, sky_service
from octupus.clusters.sky_scripts import run_script, setup_script
from octupus.config import read_yaml, resolve
from octupus.errors import ConfigError
from octupus.serve.config import ServeConfig
from octupus.train.config import StageConfig
from octupus.versions import TESTED

ROOT = Path(__file__).parents[2]
CLUSTER = read_yaml(ROOT / "clusters" / "cluster.yaml")
STAGE = read_yaml(ROOT / "jobs" / "train_stg1.yaml")
SERVED = Path("serve_configs/oai.yaml")
SHIPPED = {
    "clusters/kuberay/train_stg1.yaml": "jobs/train_stg1.yaml",
    "clusters/kuberay/train_stg2.yaml": "jobs/train_stg2.yaml",
    "clusters/kuberay/rayservice.yaml": "serve_configs/oai.yaml",
    "clusters/sky/train_stg1.yaml": "jobs/train_stg1.yaml",
    "clusters/sky/train_stg2.yaml": "jobs/train_stg2.yaml",
    "clusters/sky/serve.yaml": "serve_configs/oai.yaml",
}
PREPARE_FLAGS = ["--job.model", "/path/to/models/base", "--job.output=/path/to/prepared/stage1"]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def merged(base: Any, over: Any) -> Any:
    """`over` on top of `base`, mapping by mapping."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


def cluster_with(**changes: Any) -> ClusterConfig:
    return resolve(ClusterConfig, merged(CLUSTER, changes))


def stage_with(**changes: Any) -> StageConfig:
    return resolve(StageConfig, merged(STAGE, changes))


def job_of(stage: StageConfig, cluster: ClusterConfig) -> Job:
    nodes = nodes_for_training(stage, cluster)
    place = PurePosixPath("jobs/train_stg1.yaml")
    return Job("stage1", place.with_suffix(".py"), place, (), nodes, cluster.workers.gpus > 0, stage.run.storage)


def service_of(cluster: ClusterConfig) -> Service:
    demand = read_demand(SERVED, [], cluster)
    assert isinstance(demand, Service)
    return demand


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    templates = [spec["headGroupSpec"]["template"], *(group["template"] for group in spec["workerGroupSpecs"])]
    return [container for template in templates for container in template["spec"]["containers"]]


@pytest.mark.parametrize("output", SHIPPED)
def test_what_is_shipped_is_what_the_command_writes(output: str) -> None:
    target = output.split("/")[1]
    text = render(RenderOptions(target, Path(SHIPPED[output]), output=Path(output)))  # type: ignore[arg-type]
    assert (ROOT / output).read_text() == text
    assert text.startswith(f"# Written by: octupus render {target} {SHIPPED[output]} --output {output}\n")


@pytest.mark.parametrize("target", ["kuberay", "sky"])
@pytest.mark.parametrize(
    "file", [*sorted(set(SHIPPED.values())), "jobs/prepare_stg1.yaml", "jobs/train_lora_one_gpu.yaml"]
)
def test_every_kind_of_file_is_rendered_and_no_secret_is_in_it(
    target: str, file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [*CLUSTER["secrets"]["environment"], "OCTUPUS_API_KEYS", "RAY_AUTH_TOKEN"]:
        monkeypatch.setenv(name, "canary-of-a-secret")
    flags = PREPARE_FLAGS if "prepare" in file else []
    parsed = argparse.Namespace(
        target=target, file=Path(file), cluster=Path("clusters/cluster.yaml"), output=None, rest=flags
    )
    assert render_command(parsed) == 0
    text = capsys.readouterr().out
    assert "canary" not in text
    values = yaml.safe_load(text)
    assert yaml.safe_load(as_yaml(values)) == values
    assert text.endswith(as_yaml(values))
    check_launch_file(values, file)
    assert not [value for value in values.get("secrets", {}).values() if value is not None]


def test_a_job_is_told_its_own_flags_and_needs_no_gpu_to_prepare_data() -> None:
    job = read_demand(Path("jobs/prepare_stg1.yaml"), split_flags(PREPARE_FLAGS)[1], cluster_with())
    assert isinstance(job, Job)
    manifest = ray_job(cluster_with(), job, {})
    assert manifest["spec"]["entrypoint"] == (
        "python jobs/prepare_data.py jobs/prepare_stg1.yaml --model /path/to/models/base "
        "--output=/path/to/prepared/stage1"
    )
    assert "nvidia.com/gpu" not in as_yaml(manifest)
    task = sky_job(cluster_with(), job)
    assert "accelerators" not in task["resources"]
    # A mounted bucket shows other nodes' files too late for passes that read them.
    assert task["num_nodes"] == 1


def test_flags_of_job_and_cluster_are_told_apart() -> None:
    flags = ["--workers.max", "4", "--job.data.seed=7", "--name", "x", "--job.scaling.workers", "8"]
    assert split_flags(flags) == (["--workers.max", "4", "--name", "x"], ["--data.seed=7", "--scaling.workers", "8"])
    with pytest.raises(ConfigError, match="one file"):
        split_flags(["jobs/train_stg2.yaml"])


@given(
    gpus=st.sampled_from([1, 2, 4, 8]),
    most=st.integers(1, 12),
    fewest=st.integers(1, 12),
    cpus=st.integers(1, 200),
    memory=st.integers(4, 4000),
    disk=st.integers(20, 9000),
    selector=st.dictionaries(st.sampled_from(["a.b/c", "zone"]), st.text("xyz", min_size=1)),
    taint=st.booleans(),
    workers=st.one_of(
        st.just("auto"),
        st.integers(1, 64),
        st.tuples(st.integers(1, 32), st.integers(0, 32)).map(lambda pair: {"min": pair[0], "max": sum(pair)}),
    ),
    grows=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_training_manifest_has_the_gpus_that_the_stage_uses(
    gpus: int,
    most: int,
    fewest: int,
    cpus: int,
    memory: int,
    disk: int,
    selector: dict[str, str],
    taint: bool,
    workers: Any,
    grows: bool,
) -> None:
    assume(fewest <= most)
    node = {"gpus": gpus, "cpus": cpus, "memory_gib": memory, "ephemeral_storage_gib": disk, "min": fewest, "max": most}
    cluster = cluster_with(workers=node | {"node_selector": selector, "tolerate_gpu_taint": taint})
    of_node = min(gpus, cpus // 4)
    scaling = {"workers": workers, "autoscaling": grows, "cpus_per_worker": 4}
    stage = stage_with(scaling=scaling, data={"packs_per_step": math.lcm(*range(1, 97))})
    least = most * gpus if workers == "auto" else workers["min"] if isinstance(workers, dict) else workers
    largest = workers["max"] if isinstance(workers, dict) else least
    if least > most * of_node:
        with pytest.raises(ConfigError, match=r"scaling\.workers"):
            nodes_for_training(stage, cluster)
        return
    manifest = ray_job(cluster, job_of(stage, cluster), {})
    check_launch_file(manifest, "generated")
    assert yaml.safe_load(as_yaml(manifest)) == manifest
    spec = manifest["spec"]["rayClusterSpec"]
    (group,) = spec["workerGroupSpecs"]
    head, worker = containers(spec)
    expected = {"cpu": cpus, "memory": f"{memory}Gi", "ephemeral-storage": f"{disk}Gi", "nvidia.com/gpu": gpus}
    assert worker["resources"]["limits"] == {name: str(value) for name, value in expected.items()}
    assert worker["resources"]["requests"] == worker["resources"]["limits"]
    assert "nvidia.com/gpu" not in head["resources"]["limits"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert group["template"]["spec"].get("nodeSelector", {}) == selector
    assert ("tolerations" in group["template"]["spec"]) == taint
    # Every worker has its GPU, and no node is there for nothing.
    used = min(largest, most * of_node)
    assert (group["maxReplicas"] - 1) * of_node < used <= group["maxReplicas"] * of_node
    assert group["maxReplicas"] <= most
    if not grows or isinstance(workers, dict):
        assert group["minReplicas"] * of_node >= least
        assert (group["minReplicas"] - 1) * of_node < least
    assert group["replicas"] == group["minReplicas"] <= group["maxReplicas"]
    assert spec.get("enableInTreeAutoscaling", False) == (group["minReplicas"] < group["maxReplicas"])
    task = sky_job(cluster, job_of(stage, cluster))
    check_launch_file(task, "generated")
    assert task["resources"]["accelerators"] == f"H100:{gpus}"
    assert (task["num_nodes"] - 1) * of_node < used <= task["num_nodes"] * of_node


@given(
    gpus=st.sampled_from([0, 1, 2, 4, 8]),
    most=st.integers(1, 6),
    tensor=st.sampled_from([1, 2, 4, 8, 16]),
    pipeline=st.integers(1, 2),
    least=st.integers(1, 8),
    more=st.integers(0, 8),
    backend=st.sampled_from(["auto", "mp", "ray"]),
)
@settings(deadline=None)
def test_a_service_has_nodes_for_all_of_its_replicas(
    gpus: int, most: int, tensor: int, pipeline: int, least: int, more: int, backend: str
) -> None:
    cluster = cluster_with(workers={"gpus": gpus, "min": 1, "max": most, "cpus": 8})
    engine = {"tensor_parallel_size": tensor, "pipeline_parallel_size": pipeline}
    values = {
        "model": {"source": "/path/to/models/x"},
        "engine": engine | {"distributed_executor_backend": backend},
        "replicas": {"engines": {"min_replicas": least, "max_replicas": least + more}},
    }
    of_node, group = gpus or 8, tensor * pipeline
    try:
        nodes = nodes_for_serving(resolve(ServeConfig, values), cluster)
    except ConfigError:
        whole = backend == "ray" or (backend == "auto" and group > of_node)
        fits = most * of_node // group if whole and gpus else most * (of_node // group)
        assert least + more > fits or (backend == "ray" and not gpus)
        return
    assert 1 <= nodes.min <= nodes.max <= most
    assert nodes.min * of_node >= least * group
    assert nodes.max * of_node >= (least + more) * group


def test_the_serve_block_is_what_ray_and_octupus_take_and_that_of_the_file() -> None:
    cluster = cluster_with()
    service = service_of(cluster)
    block = yaml.safe_load(ray_service(cluster, service)["spec"]["serveConfigV2"])
    script = sky_service(cluster, service)["run"]
    other = yaml.safe_load(script.partition("<<'END_OF_FILE'\n")[2].partition("END_OF_FILE")[0])
    ours = read_yaml(SERVED)
    for written, access in (
        (block, {"api_keys_file": "/etc/octupus/api_keys"}),
        (other, {"api_keys_variable": "OCTUPUS_API_KEYS"}),
    ):
        deploy = ServeDeploySchema.model_validate(written)
        resolve(ServeConfig, deploy.applications[0].args)
        assert written["http_options"] == ours["http_options"] | {"host": "0.0.0.0"}
        arguments = written["applications"][0]["args"]
        assert arguments.pop("access") == access
        model = ours["applications"][0]["args"]["model"] | {"source": str(cluster.serving.model)}
        assert arguments == ours["applications"][0]["args"] | {"model": model}
        assert written["proxy_location"] == ours["proxy_location"]


def test_pods_of_a_service_have_haproxy_and_finish_their_answers() -> None:
    cluster = cluster_with()
    spec = ray_service(cluster, service_of(cluster))["spec"]["rayClusterConfig"]
    assert spec["rayVersion"] == TESTED["ray"]
    assert spec["authOptions"] == {"mode": "token"}
    for container in containers(spec):
        environment = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert environment["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
        assert environment["RAY_SERVE_HAPROXY_BINARY_PATH"] == "/opt/venv/bin/octupus-haproxy"
        assert environment["OCTUPUS_FRONT_HOST"] == "0.0.0.0"
        assert environment["OCTUPUS_EXPECTED_GPUS"] == "8"
        assert not [value for value in environment.values() if value and str(ROOT) in value]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    worker = spec["workerGroupSpecs"][0]["template"]["spec"]
    assert worker["securityContext"]["runAsNonRoot"] is True
    drain = resolve(ServeConfig, {"model": {"source": "x"}}).replicas.drain_timeout_s
    assert worker["terminationGracePeriodSeconds"] > drain
    assert "/dev/shm" in [mount["mountPath"] for mount in worker["containers"][0]["volumeMounts"]]


def test_an_endpoint_on_loopback_opens_no_port() -> None:
    cluster = cluster_with(serving={"listen": "127.0.0.1"}, workers={"max": 1}, secrets={"api_keys": None})
    task = sky_service(cluster, service_of(cluster))
    assert "service" not in task
    assert "ports" not in task["resources"]
    assert "OCTUPUS_API_KEYS" not in task["secrets"]
    block = yaml.safe_load(ray_service(cluster, service_of(cluster))["spec"]["serveConfigV2"])
    assert block["http_options"]["host"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("file", "changes", "flags", "said"),
    [
        ("jobs/train_stg1.yaml", {}, ["--scaling.workers", "32"], r"32 workers.*holds 16.*raise workers\.max"),
        ("jobs/train_stg1.yaml", {"workers": {"max": 3}}, [], "packs_per_step 32 is not a multiple"),
        ("jobs/train_stg1.yaml", {"workers": {"gpus": 0}}, [], "node type without GPUs"),
        ("jobs/train_stg1.yaml", {"workers": {"cpus": 16}}, [], r"lower scaling\.workers or scaling\.cpus_per_worker"),
        ("jobs/train_stg1.yaml", {}, ["--run.storage", "/tmp/runs"], r"run\.storage /tmp/runs.*would not share.*URL"),
        ("jobs/train_stg1.yaml", {}, ["--run.storage", "runs"], "would not share"),
        ("jobs/train_stg1.yaml", {}, ["--export", "/path/to/../x"], "would not share"),
        ("jobs/prepare_stg1.yaml", {}, ["--model", "models/base"], "model models/base.*would not share"),
        ("jobs/evaluate_bfcl.yaml", {}, [], "nothing that can be rendered"),
        ("serve_configs/oai.yaml", {"serving": {"model": None}}, [], r"model\.source.*would not share"),
        ("serve_configs/oai.yaml", {}, ["--data.seed", "1"], r"--job\.\* flags are for jobs"),
        ("serve_configs/oai-tp2.yaml", {"workers": {"gpus": 1, "max": 1}}, [], "lower tensor_parallel_size"),
        ("serve_configs/oai-tp2.yaml", {"workers": {"gpus": 2, "max": 2}}, [], r"need 4 nodes.*raise workers\.max"),
        ("serve_configs/oai-multi-node.yaml", {"workers": {"max": 1}}, [], "lower tensor_parallel_size"),
        (
            "serve_configs/oai-tp2.yaml",
            {"serving": {"listen": "127.0.0.1"}, "workers": {"min": 2}},
            [],
            "HAProxy asks replicas of other nodes",
        ),
    ],
)
def test_what_the_cluster_does_not_have_is_refused_with_the_remedy(
    file: str, changes: dict[str, Any], flags: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read_demand(Path(file), flags, cluster_with(**changes))


def test_a_file_outside_the_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train_stg1.yaml").write_text((ROOT / "jobs" / "train_stg1.yaml").read_text())
    with pytest.raises(ConfigError, match="what the checkout holds"):
        read_demand(tmp_path / "train_stg1.yaml", [], cluster_with())


def test_an_open_endpoint_without_keys_is_refused() -> None:
    cluster = cluster_with(secrets={"api_keys": None, "api_keys_variable": None})
    for target in (ray_service, sky_service):
        with pytest.raises(ConfigError, match="nothing asks for keys"):
            target(cluster, service_of(cluster))


def test_storage_that_the_launcher_does_not_have_is_asked_for() -> None:
    cluster = cluster_with(storage={"claim": None, "bucket": None})
    job = job_of(stage_with(), cluster)
    with pytest.raises(ConfigError, match=r"storage\.claim"):
        ray_job(cluster, job, {})
    with pytest.raises(ConfigError, match=r"storage\.bucket"):
        sky_job(cluster, job)


def test_checkpoints_go_to_the_bucket_by_its_url() -> None:
    cluster = cluster_with(storage={"bucket": "gs://team/octupus"})
    assert "--run.storage gs://team/octupus/runs\n" in sky_job(cluster, job_of(stage_with(), cluster))["run"]
    elsewhere = stage_with(run={"storage": "s3://other/runs"})
    assert "--run.storage" not in sky_job(cluster, job_of(elsewhere, cluster))["run"]


def test_the_image_makes_uploading_needless() -> None:
    runtime_env = {"working_dir": ".", "excludes": ["/docs"], "env_vars": {"A": "1"}}
    job = job_of(stage_with(), cluster_with())
    assert yaml.safe_load(ray_job(cluster_with(), job, runtime_env)["spec"]["runtimeEnvYAML"]) == {
        "env_vars": {"A": "1"}
    }
    assert "runtimeEnvYAML" not in ray_job(cluster_with(), job, {"working_dir": "."})["spec"]
    with pytest.raises(ConfigError, match=r"shorten the cluster's name or run\.name"):
        ray_job(cluster_with(), Job("x" * 47, job.script, job.file, (), Nodes(1, 1), True, None), {})


STUBS = {
    "ray": 'echo "ray $*" >> "$CALLS"\n'
    'case "$1 $2" in "list nodes") echo \'[{}, {}]\' ;; "job submit") exit "$JOB_EXIT" ;; esac',
    "serve": 'echo "serve $*" >> "$CALLS"; exit "$JOB_EXIT"',
    "octupus": 'echo "export RAY_SERVE_ENABLE_HA_PROXY=1"',
    "pgrep": "exit 1",
}


def run_on_node(script: str, rank: int, exit_status: int, home: Path) -> tuple[int, list[str]]:
    """Exit status of the script with programs that only note their calls, and these calls."""
    programs = home / "octupus-environment" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')
    for name, body in STUBS.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    calls = home / f"calls-{rank}"
    calls.write_text("")
    node = {"SKYPILOT_NODE_RANK": str(rank), "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_NODES": "2"}
    environment = os.environ | node | {"SKYPILOT_NUM_GPUS_PER_NODE": "8", "HOME": str(home), "CALLS": str(calls)}
    environment |= {"JOB_EXIT": str(exit_status)}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, calls.read_text().splitlines()


@pytest.mark.parametrize("exit_status", [0, 7])
def test_a_task_ends_as_its_job_does(tmp_path: Path, exit_status: int) -> None:
    cluster = cluster_with()
    job_script = sky_job(cluster, job_of(stage_with(), cluster))["run"]
    serve_script = sky_service(cluster, service_of(cluster))["run"]
    for script, last in ((job_script, "ray job submit"), (serve_script, "serve run")):
        status, calls = run_on_node(script, 0, exit_status, tmp_path)
        assert status == exit_status
        assert [call.split(" --")[0] for call in calls[:-1]] == ["ray start", "ray list nodes"]
        assert calls[-1].startswith(last)
        assert "--head" in calls[0]
        # SkyPilot's own Ray has these, and `ray stop` would end it.
        assert not {"6380", "8266"} & set(calls[0].split())
        assert "ray stop" not in script
        status, calls = run_on_node(script, 1, exit_status, tmp_path)
        assert (status, [call.split(" --")[0] for call in calls]) == (0, ["ray health-check", "ray start"])
        assert "--node-ip-address 10.0.0.2" in calls[1]
        assert calls[1].endswith("--address 10.0.0.1:6379")
    assert "application" in (tmp_path / "octupus-serve.yaml").read_text()


def test_scripts_are_shell_and_a_running_ray_is_not_mistaken_for_the_script() -> None:
    for script in (setup_script(), run_script("", "true")):
        assert subprocess.run(["bash", "-n", "-c", script], check=False).returncode == 0
    # SkyPilot runs the script as an argument of bash, which `pgrep --full` then sees.
    pattern = "[/]raylet .*octupus-ray"
    script = run_script("", "true")
    assert f"'{pattern}'" in script
    for text, found in ((script, 1), ("/lib/raylet/raylet --temp_dir=/tmp/octupus-ray", 0)):
        joined = text.replace("\n", " ")
        assert subprocess.run(["grep", "-q", "-E", pattern], input=joined, text=True, check=False).returncode == found

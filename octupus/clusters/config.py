"""The one description of a cluster, clusters/cluster.yaml: `octupus render` writes launchers' files from it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from octupus.config import StrictModel

DNS_LABEL = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
RUNTIME_ENV_FILE = "clusters/runtime_env.yaml"
ALL_INTERFACES: Literal["0.0.0.0"] = "0.0.0.0"


def _absolute(path: PurePosixPath) -> PurePosixPath:
    if not path.is_absolute() or path == PurePosixPath("/") or ".." in path.parts:
        raise ValueError(f"{path} must be an absolute path below /, without ..")
    return path


class HeadConfig(StrictModel):
    """The node of Ray's control processes, drivers and ingresses alone. On SkyPilot it is a worker too."""

    cpus: int = Field(default=8, ge=1)
    """CPUs of the head; each ingress is one process there."""
    memory_gib: int = Field(default=32, ge=2)
    """Memory of the head; data preparation keeps a few hundred bytes a row there."""


class WorkersConfig(StrictModel):
    """The nodes that work: all alike."""

    gpu: str = Field(default="H100", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")
    """Type of GPU as SkyPilot names it, such as H100 or A100-80GB."""
    gpus: int = Field(default=8, ge=0)
    """GPUs of one node; 0 is a node type without."""
    cpus: int = Field(default=96, ge=1)
    """CPUs of one node."""
    memory_gib: int = Field(default=768, ge=4)
    """Memory of one node. Two fifths of it may become shared memory, for Ray's object store and for NCCL."""
    ephemeral_storage_gib: int = Field(default=1000, ge=20)
    """Local disk of one node, best NVMe: what Ray spills, temporary files, and copies of checkpoints under way."""
    min: int = Field(default=1, ge=1)
    """Nodes that stay. A training stage with a fixed number of workers has the nodes it needs from start to end."""
    max: int = Field(default=2, ge=1)
    """Most nodes."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the Kubernetes nodes that have the GPUs; used for what needs GPUs."""
    tolerate_gpu_taint: bool = True
    """Whether pods may run on Kubernetes nodes that are tainted nvidia.com/gpu, as clouds taint those with GPUs."""
    spot: bool = False
    """Whether SkyPilot takes spot instances. In Kubernetes the labels of `node_selector` choose them."""

    @model_validator(mode="after")
    def _in_order(self) -> WorkersConfig:
        if self.min > self.max:
            raise ValueError(f"workers.min is {self.min} and workers.max {self.max}; raise max or lower min")
        return self


class StorageConfig(StrictModel):
    """Storage that every node sees under the same path: models, prepared data, checkpoints, exports."""

    mount_path: Annotated[PurePosixPath, AfterValidator(_absolute)]
    """Where it is mounted. Paths in jobs and serve files must lie below it, or be URLs where these are taken."""
    claim: str | None = Field(default=None, pattern=DNS_LABEL)
    """Kubernetes: name of the PersistentVolumeClaim, of access mode ReadWriteMany."""
    bucket: str | None = Field(default=None, pattern=r"^(s3|gs)://[^/?#]+(/[^?#]*[^/?#])?$")
    """SkyPilot: the bucket, or a place in it, that is mounted there: s3://name or gs://name."""

    def holds(self, path: str) -> bool:
        """Whether the path lies on this storage."""
        place = PurePosixPath(path)
        return ".." not in place.parts and place.is_relative_to(self.mount_path)

    def url_of(self, path: str) -> str:
        """The URL of a path on this storage; `bucket` must be set."""
        inner = PurePosixPath(path).relative_to(self.mount_path).as_posix()
        return f"{self.bucket}/{inner}" if inner != "." else str(self.bucket)


class SecretsConfig(StrictModel):
    """Secrets by name. Their values are never in a file of this project, nor on a command line."""

    environment: tuple[Annotated[str, Field(pattern=VARIABLE_NAME)], ...] = ("HF_TOKEN", "WANDB_API_KEY")
    """Environment variables: keys of `kubernetes`, and SkyPilot's `secrets`."""
    kubernetes: str = Field(default="octupus-environment", pattern=DNS_LABEL)
    """Kubernetes Secret whose keys are these variables; what it lacks is left unset."""
    api_keys: str | None = Field(default="octupus-api-keys", pattern=DNS_LABEL)
    """Kubernetes Secret whose key `api_keys` is a file with one API key of the endpoint a line."""
    api_keys_variable: str | None = Field(default="OCTUPUS_API_KEYS", pattern=VARIABLE_NAME)
    """SkyPilot: the secret that holds the endpoint's API keys, separated by commas."""


class ServingConfig(StrictModel):
    """What is different about the serve application on this cluster."""

    model: PurePosixPath | None = None
    """Model directory on the shared storage; null takes `model.source` of the serve file."""
    listen: Literal["127.0.0.1", "0.0.0.0"] = ALL_INTERFACES
    """Interface of the endpoint; 0.0.0.0, which a Kubernetes Service needs, asks for API keys."""
    front: bool = True
    """Whether HAProxy stands in front of Ray Serve, as `octupus front` does it."""


class SkyConfig(StrictModel):
    """What only SkyPilot asks."""

    clouds: tuple[str, ...] = ()
    """Where to look, such as [aws, gcp/us-central1, k8s]; empty is everywhere that SkyPilot has access to."""
    image: str | None = None
    """Image of the machines, as `resources.image_id`; null takes SkyPilot's own, which has NVIDIA's driver."""


class ClusterConfig(StrictModel):
    """A cluster: a head, workers that are all alike, shared storage and the names of secrets."""

    name: str = Field(default="octupus", pattern=DNS_LABEL, max_length=30)
    """What Kubernetes' objects and SkyPilot's tasks are called, or begin with."""
    namespace: str = Field(default="default", pattern=DNS_LABEL, max_length=63)
    """Kubernetes namespace."""
    image: str = Field(min_length=1, pattern=r"^\S+$")
    """Image that clusters/Dockerfile makes, with its registry and tag."""
    head: HeadConfig = HeadConfig()
    workers: WorkersConfig = WorkersConfig()
    storage: StorageConfig
    secrets: SecretsConfig = SecretsConfig()
    serving: ServingConfig = ServingConfig()
    sky: SkyConfig = SkyConfig()
    resubmissions: int = Field(default=3, ge=0)
    """How often a job that failed is submitted again, on a new cluster; it goes on from its newest checkpoint."""

"""The Ray cluster a stage runs on, and how many workers it can hold."""

from __future__ import annotations

from dataclasses import dataclass

from octupus.errors import TrainingError
from octupus.train.config import ScalingConfig, WorkerRange

WORKERS_ON_CPU = 2


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of a cluster."""

    cpus: int
    gpus: int


def cluster_resources() -> Resources:
    """What the connected cluster has."""
    import ray

    total = ray.cluster_resources()
    return Resources(cpus=int(total.get("CPU", 0)), gpus=int(total.get("GPU", 0)))


def resolve_use_gpu(scaling: ScalingConfig, resources: Resources) -> bool:
    """Whether each worker has a GPU."""
    return resources.gpus > 0 if scaling.use_gpu == "auto" else scaling.use_gpu


def resolve_workers(scaling: ScalingConfig, resources: Resources) -> int | WorkerRange:
    """Number of workers, or their range. Raises TrainingError, saying what the cluster has, when they cannot all run.

    A cluster that grows on demand is not asked, unless the number is left to it.
    """
    use_gpu = resolve_use_gpu(scaling, resources)
    workers = scaling.workers
    if workers == "auto":
        workers = resources.gpus if use_gpu else WORKERS_ON_CPU
        if workers == 0:
            raise TrainingError("scaling.workers is auto, but the cluster has no GPU yet; give the number of workers")
    if scaling.autoscaling:
        return workers
    fewest = workers.min if isinstance(workers, WorkerRange) else workers
    needed = fewest * scaling.cpus_per_worker
    if use_gpu and fewest > resources.gpus:
        raise TrainingError(
            f"{fewest} workers need one GPU each, but the cluster has {resources.gpus}; lower scaling.workers"
        )
    if needed > resources.cpus:
        raise TrainingError(
            f"{fewest} workers with {scaling.cpus_per_worker} CPUs each need {needed}, but the cluster has "
            f"{resources.cpus}; lower scaling.workers or scaling.cpus_per_worker, or add nodes"
        )
    return workers

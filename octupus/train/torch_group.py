"""A Ray Train backend that joins the workers into a torch.distributed group.

What Ray's TorchConfig does for CPU and NVIDIA workers, except that the launcher and Ray Train's controller need no
PyTorch for it: importing it in both costs several seconds of every start.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ray.train.backend import Backend, BackendConfig

JOIN_TIMEOUT_S = 1800


@dataclass
class TorchGroupConfig(BackendConfig):  # type: ignore[misc]  # Ray is untyped
    """`backend` is torch.distributed's: gloo or nccl."""

    backend: str

    @property
    def backend_cls(self) -> type[Backend]:
        """See BackendConfig."""
        return _TorchGroup


class _TorchGroup(Backend):  # type: ignore[misc]
    # NCCL needs each process to see its peers' devices on the node.
    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: TorchGroupConfig) -> None:
        """See Backend."""
        address, port = worker_group.execute_single(0, _free_address)
        worker_group.execute(_join, backend_config.backend, address, port)

    def on_shutdown(self, worker_group: Any, backend_config: TorchGroupConfig) -> None:
        """See Backend."""
        if len(worker_group) > 1:
            worker_group.execute_async(_leave)


def _free_address() -> tuple[str, int]:
    import socket

    import ray

    with socket.socket() as probe:
        probe.bind(("", 0))
        return ray.util.get_node_ip_address(), probe.getsockname()[1]


def _join(backend: str, address: str, port: int) -> None:
    import datetime

    import ray.train
    import torch
    import torch.distributed

    context = ray.train.get_context()
    os.environ |= {
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "RANK": str(context.get_world_rank()),
        "WORLD_SIZE": str(context.get_world_size()),
        "LOCAL_RANK": str(context.get_local_rank()),
        "LOCAL_WORLD_SIZE": str(context.get_local_world_size()),
        "NODE_RANK": str(context.get_node_rank()),
    }
    if torch.cuda.is_available():
        from ray.train.torch import get_device

        torch.cuda.set_device(get_device())
    torch.distributed.init_process_group(backend, timeout=datetime.timedelta(seconds=JOIN_TIMEOUT_S))


def _leave() -> None:
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()

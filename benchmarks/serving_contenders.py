"""The servers that `serving_throughput.py` compares, each in a process of its own with all it starts.

As a program (`python serving_contenders.py NAME MODEL PORT`): a server that runs until it is ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODEL_ID = "small"
MAX_MODEL_LEN = 2048
MAX_NUM_SEQS = 64
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": str(min(os.cpu_count() or 1, 4)),
    "VLLM_LOGGING_LEVEL": "WARNING",
}
"""The same for all, as octupus sets it."""
START_S = 240.0


def serve_bare_vllm(model: Path, port: int) -> None:
    """vLLM's own server; becomes that process."""
    arguments = ["--model", str(model), "--served-model-name", MODEL_ID, "--host", "127.0.0.1", "--port", str(port)]
    arguments += ["--dtype", "float32", "--enforce-eager", "--max-model-len", str(MAX_MODEL_LEN)]
    arguments += ["--max-num-seqs", str(MAX_NUM_SEQS), "--disable-log-stats", "--disable-uvicorn-access-log"]
    arguments += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    os.environ |= ENVIRONMENT
    os.execv(sys.executable, [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments])


def serve_ray_llm(model: Path, port: int) -> None:
    """ray.serve.llm's OpenAI application, on CPUs through a placement group without GPUs."""
    from ray import serve
    from ray.serve.llm import LLMConfig, build_openai_app

    config = LLMConfig(
        model_loading_config={"model_id": MODEL_ID, "model_source": str(model)},
        placement_group_config={"bundle_per_worker": {"CPU": 1}},
        log_engine_metrics=False,
        engine_kwargs={
            "dtype": "float32",
            "enforce_eager": True,
            "max_model_len": MAX_MODEL_LEN,
            "max_num_seqs": MAX_NUM_SEQS,
            "disable_log_stats": True,
            "enable_auto_tool_choice": True,
            "tool_call_parser": "hermes",
        },
        deployment_config={"num_replicas": 1, "max_ongoing_requests": 256},
        runtime_env={"env_vars": ENVIRONMENT},
    )
    ingress = {"autoscaling_config": None, "num_replicas": 1, "max_ongoing_requests": 256}
    application = build_openai_app({"llm_configs": [config], "ingress_deployment_config": ingress})
    _start_ray(port)
    serve.run(application)
    signal.pause()


def serve_octupus(model: Path, port: int) -> None:
    """octupus, with whatever stands in front."""
    _start_ray(port)
    from ray import serve

    from octupus.serve.app import build

    arguments: dict[str, Any] = {
        "model": {"source": str(model), "id": MODEL_ID},
        "engine": {"max_model_len": MAX_MODEL_LEN, "max_num_seqs": MAX_NUM_SEQS},
    }
    serve.run(build(arguments))
    signal.pause()


def serve_octupus_haproxy(model: Path, port: int) -> None:
    """octupus behind HAProxy."""
    from octupus.serve.front.environment import enable_front

    enable_front(metrics_port=port + 1, stats_port=port + 2, fallback_port=port + 3)
    serve_octupus(model, port)


CONTENDERS = {
    "vllm": serve_bare_vllm,
    "ray.serve.llm": serve_ray_llm,
    "octupus": serve_octupus,
    "octupus-haproxy": serve_octupus_haproxy,
}


def _start_ray(port: int) -> None:
    import ray
    from ray import serve

    # More CPUs than the machine may have: they only count what is placed, and every contender needs few.
    ray.init(address="local", num_cpus=8, include_dashboard=False, object_store_memory=200 * 2**20)
    serve.start(http_options={"host": "127.0.0.1", "port": port})


@contextmanager
def running_contender(name: str, model: Path, port: int, logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A contender that answers; ended, with all it started, when the block is left."""
    with (logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, name, str(model), str(port)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_up(process, port, logs / f"{name}.log")
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # vLLM and Ray end what they started
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as answer:
                if MODEL_ID.encode() in answer.read():
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.5)
    raise SystemExit(f"{process.args!r} did not come up; the end of {log}:\n{log.read_text()[-3000:]}")


if __name__ == "__main__":
    CONTENDERS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
